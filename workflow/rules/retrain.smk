# The derived network learns: from random weights or the supernet's, from labels and, after a co-search, from its guide.
# A baseline learns by the same settings, from random weights and labels.
rule retrain:
    input:
        split=rules.split.output.split,
        genotype=derived_genotype,
        guide=retrained_guide,
        supernet=initial_supernet,
        class_pixels=counted_classes(),
    output:
        network=f"{RUN}/retrain/{{method}}/seed-{{seed}}/network.pt",
        metrics=f"{RUN}/retrain/{{method}}/seed-{{seed}}/metrics.csv",
        manifest=f"{RUN}/retrain/{{method}}/seed-{{seed}}/.manifest.json",
    log:
        f"{RUN}/logs/retrain-{{method}}-seed-{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: threads_of("retrain")
    resources:
        **resources_of("retrain"),
    params:
        **params_of("retrain"),
    shell:
        RUN_STAGE
