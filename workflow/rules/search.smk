# Rounds of the search. Round r starts from the checkpoint of round r-1; round 1 from the warm-ups. Labels come before all
# rounds, because a method with labels has the longest chain of jobs.
rule label:
    input:
        split=rules.split.output.split,
        teacher=previous_checkpoint,
    output:
        labels=f"{SEARCH}/pseudo_labels/shard-{{shard}}.h5",
        probabilities=f"{SEARCH}/pseudo_labels/probability-{{shard}}.h5",
        manifest=f"{SEARCH}/pseudo_labels/.manifest-{{shard}}.json",
    log:
        f"{RUN}/logs/label-{{method}}-seed-{{seed}}-round-{{round}}-shard-{{shard}}.log",
    priority: 2
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **resources_of("label"),
    params:
        **params_of("label"),
    shell:
        RUN_STAGE


rule round:
    input:
        reach_of("search"),
        split=rules.split.output.split,
        table=rules.latency.output.table,
        previous=previous_checkpoint,
        previous_state=previous_state,
        probabilities=lambda wildcards: pseudo_labels(wildcards, "probability"),
        student=warmed_up_student,
    output:
        checkpoint=f"{SEARCH}/checkpoint.pt",
        state=f"{SEARCH}/training_state.pt",
        architecture=f"{SEARCH}/architecture.json",
        metrics=f"{SEARCH}/metrics.csv",
        guide=f"{SEARCH}/guide.json" if SETTINGS.search.cosearch else [],
        manifest=f"{SEARCH}/.manifest.json",
    log:
        f"{RUN}/logs/search-{{method}}-seed-{{seed}}-round-{{round}}.log",
    priority: 1
    conda:
        ENVIRONMENT
    threads: threads_of("round")
    resources:
        **resources_of("round"),
    params:
        **params_of("round"),
    shell:
        RUN_STAGE
