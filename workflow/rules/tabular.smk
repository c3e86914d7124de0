# The table of all networks of a small space, each trained with all seeds.
if SETTINGS.tabular is not None:
    from lbt.tabular.networks import count_jobs

    try:
        TABULAR_JOBS = range(count_jobs(SETTINGS.space, SETTINGS.tabular))
    except LbtError as error:
        raise WorkflowError(str(error))

    rule tabular_scores:
        input:
            split=rules.split.output.split,
            class_pixels=counted_classes(),
        output:
            scores=f"{RUN}/tabular/seed-{{seed}}/scores-{{job}}.csv",
            manifest=f"{RUN}/tabular/seed-{{seed}}/.manifest-{{job}}.json",
        log:
            f"{RUN}/logs/tabular-scores-seed-{{seed}}-job-{{job}}.log",
        conda:
            ENVIRONMENT
        threads: THREADS
        resources:
            **resources_of("tabular_scores"),
        params:
            **params_of("tabular_scores"),
        shell:
            RUN_STAGE

    # It takes all cores, so that no other job disturbs the clock.
    rule tabular_latency:
        output:
            times=f"{RUN}/tabular/latency.csv",
            key=f"{RUN}/tabular/latency-key.json",
            manifest=f"{RUN}/tabular/.manifest-latency.json",
        log:
            f"{RUN}/logs/tabular-latency.log",
        conda:
            ENVIRONMENT
        threads: whole_machine
        resources:
            **resources_of("tabular_latency"),
        params:
            **params_of("tabular_latency"),
        shell:
            RUN_STAGE

    rule tabular_table:
        input:
            scores=of_tabular_jobs(rules.tabular_scores.output.scores),
            times=rules.tabular_latency.output.times,
            key=rules.tabular_latency.output.key,
        output:
            table=f"{RUN}/tabular/table.csv",
            facts=f"{RUN}/tabular/table.json",
            noise=f"{RUN}/tabular/noise.csv",
            manifest=f"{RUN}/tabular/.manifest.json",
        log:
            f"{RUN}/logs/tabular-table.log",
        conda:
            ENVIRONMENT
        resources:
            **resources_of("tabular_table"),
        params:
            **params_of("tabular_table"),
        shell:
            RUN_STAGE
