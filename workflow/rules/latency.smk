# The latency lookup table of this device. It takes all cores, so that no other job disturbs the clock.
rule latency:
    output:
        table=f"{RUN}/latency/table.csv",
        manifest=f"{RUN}/latency/.manifest.json",
    log:
        f"{RUN}/logs/latency.log",
    priority: 1
    conda:
        ENVIRONMENT
    threads: whole_machine
    resources:
        **resources_of("latency"),
    params:
        **params_of("latency"),
    shell:
        RUN_STAGE


# A window that no network reaches is refused as soon as there is a table, while the warm-up has hardly begun.
if SETTINGS.search.fps is not None:

    rule reach_search:
        input:
            table=rules.latency.output.table,
        output:
            reach=f"{RUN}/latency/reach-search.json",
            manifest=f"{RUN}/latency/.manifest-reach-search.json",
        log:
            f"{RUN}/logs/reach-search.log",
        priority: 1
        conda:
            ENVIRONMENT
        resources:
            **resources_of("reach_search"),
        params:
            **params_of("reach_search"),
        shell:
            RUN_STAGE


if SETTINGS.derivation.fps is not None:

    rule reach_derivation:
        input:
            table=rules.latency.output.table,
        output:
            reach=f"{RUN}/latency/reach-derivation.json",
            manifest=f"{RUN}/latency/.manifest-reach-derivation.json",
        log:
            f"{RUN}/logs/reach-derivation.log",
        priority: 1
        conda:
            ENVIRONMENT
        resources:
            **resources_of("reach_derivation"),
        params:
            **params_of("reach_derivation"),
        shell:
            RUN_STAGE
