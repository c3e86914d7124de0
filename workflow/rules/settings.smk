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
        manifest=f"{RUN}/.manifest-settings.json",
    log:
        f"{RUN}/logs/settings.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("settings"),
    params:
        **params_of("settings"),
    shell:
        RUN_STAGE
