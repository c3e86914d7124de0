# The data set: drawn (street scenes only), checked, split.
SCENES = f"{SETTINGS.data.root}/scenes.json" if SETTINGS.scenes is not None else []


if SETTINGS.scenes is not None:

    rule scenes:
        output:
            SCENES,
        log:
            f"{RUN}/logs/scenes.log",
        conda:
            "../../environment.yml"
        resources:
            workers=WORKERS,
        params:
            settings=settings_of("scenes"),
            code=code_of("scenes"),
        shell:
            call("scenes") + "--outputs output={output}"


rule check:
    input:
        SCENES,
    output:
        report=f"{RUN}/data/check.json",
    log:
        f"{RUN}/logs/check.log",
    conda:
        "../../environment.yml"
    resources:
        workers=WORKERS,
    params:
        settings=settings_of("check"),
        code=code_of("check"),
    shell:
        call("check") + "--outputs output={output.report}"


rule split:
    input:
        scenes=SCENES,
        # its verdict matters, not its date: another batch size is checked again and changes no split
        check=ancient(f"{RUN}/data/check.json"),
    output:
        split=f"{RUN}/data/split.csv",
        manifest=f"{RUN}/data/manifest.json",
    log:
        f"{RUN}/logs/split.log",
    conda:
        "../../environment.yml"
    resources:
        workers=WORKERS,
    params:
        settings=settings_of("split"),
        code=code_of("split"),
    shell:
        call("split") + "--manifest {output.manifest} --outputs output={output.split}"
