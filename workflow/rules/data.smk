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
            ENVIRONMENT
        resources:
            **resources_of("scenes"),
        params:
            **params_of("scenes"),
        shell:
            RUN_STAGE


rule check:
    input:
        SCENES,
    output:
        report=f"{RUN}/data/check.json",
        manifest=f"{RUN}/data/manifest-check.json",
    log:
        f"{RUN}/logs/check.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("check"),
    params:
        **params_of("check"),
    shell:
        RUN_STAGE


rule split:
    input:
        rules.check.output.report,
    output:
        split=f"{RUN}/data/split.csv",
        manifest=f"{RUN}/data/manifest.json",
    log:
        f"{RUN}/logs/split.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("split"),
    params:
        **params_of("split"),
    shell:
        RUN_STAGE
