# The settings with all defaults, and the device and versions.
rule settings:
    input:
        table=f"{RUN}/latency/table.csv",
    output:
        yaml=f"{RUN}/settings.yaml",
        page=report(
            f"{RUN}/settings.html",
            caption="../report/settings.rst",
            category="Comparison",
            subcategory="Settings",
            labels={"Settings": "settings and versions"},
        ),
        manifest=f"{RUN}/manifest-settings.json",
    log:
        f"{RUN}/logs/settings.log",
    conda:
        "../../environment.yml"
    resources:
        untracked=untracked_of("settings"),
    params:
        settings=settings_of("settings"),
        code=code_of("settings"),
    shell:
        call("settings") + "--manifest {output.manifest} --inputs table={input.table} "
        "--outputs output={output.yaml} page={output.page}"
