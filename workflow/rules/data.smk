# The data set: drawn (street scenes only), checked, split.
SCENES = f"{SETTINGS.data.root}/scenes.json" if SETTINGS.scenes is not None else []


if SETTINGS.scenes is not None:

    rule scenes:
        output:
            listing=SCENES,
            manifest=f"{SETTINGS.data.root}/manifest.json",
        log:
            f"{RUN}/logs/scenes.log",
        conda:
            "../../environment.yml"
        resources:
            untracked=untracked_of("scenes"),
        params:
            settings=settings_of("scenes"),
            code=code_of("scenes"),
        shell:
            call("scenes")
            + "--manifest {output.manifest} --outputs output={output.listing}"


rule check:
    input:
        SCENES,
    output:
        report=f"{RUN}/data/check.json",
        manifest=f"{RUN}/data/manifest-check.json",
    log:
        f"{RUN}/logs/check.log",
    conda:
        "../../environment.yml"
    resources:
        untracked=untracked_of("check"),
    params:
        settings=settings_of("check"),
        code=code_of("check"),
        images=images_of("check"),
    shell:
        call("check") + "--manifest {output.manifest} --outputs output={output.report}"


rule split:
    input:
        check=rules.check.output.report,
    output:
        split=f"{RUN}/data/split.csv",
        manifest=f"{RUN}/data/manifest.json",
    log:
        f"{RUN}/logs/split.log",
    conda:
        "../../environment.yml"
    resources:
        untracked=untracked_of("split"),
    params:
        settings=settings_of("split"),
        code=code_of("split"),
        images=images_of("split"),
    shell:
        call("split") + "--manifest {output.manifest} --outputs output={output.split}"
