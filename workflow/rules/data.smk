# The data set: drawn (street scenes only), checked, split, its classes counted.
SCENES = f"{SETTINGS.data.root}/scenes.json" if SETTINGS.scenes is not None else []


if SETTINGS.scenes is not None:

    rule scenes:
        output:
            listing=SCENES,
            manifest=f"{SETTINGS.data.root}/.manifest.json",
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
        manifest=f"{RUN}/data/.manifest-check.json",
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
        manifest=f"{RUN}/data/.manifest.json",
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


rule class_pixels:
    input:
        split=rules.split.output.split,
    output:
        pixels=f"{RUN}/data/class_pixels.csv",
        manifest=f"{RUN}/data/.manifest-class-pixels.json",
    log:
        f"{RUN}/logs/class-pixels.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("class_pixels"),
    params:
        **params_of("class_pixels"),
    shell:
        RUN_STAGE
