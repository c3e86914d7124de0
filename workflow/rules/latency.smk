# The latency lookup table of this device. It takes all cores, so that no other job disturbs the clock.
rule latency:
    output:
        table=f"{RUN}/latency/table.csv",
        manifest=f"{RUN}/latency/manifest.json",
    log:
        f"{RUN}/logs/latency.log",
    priority: 1
    conda:
        "../../environment.yml"
    threads: whole_machine
    resources:
        gpu=gpus_of("latency"),
    params:
        **params_of("latency"),
    shell:
        RUN_STAGE


# Where windows are wanted: refused as soon as there is a table, while the warm-up has hardly begun.
if WINDOWS:

    rule reach:
        input:
            table=rules.latency.output.table,
        output:
            reach=f"{RUN}/latency/reach.json",
            manifest=f"{RUN}/latency/manifest-reach.json",
        log:
            f"{RUN}/logs/reach.log",
        priority: 1
        conda:
            "../../environment.yml"
        params:
            **params_of("reach"),
        shell:
            RUN_STAGE
