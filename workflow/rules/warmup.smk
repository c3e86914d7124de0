# Warm-up of the supernet: one per seed, shared by all methods.
rule warmup:
    input:
        split=rules.split.output.split,
    output:
        checkpoint=f"{RUN}/warmup/seed-{{seed}}/checkpoint.pt",
        metrics=f"{RUN}/warmup/seed-{{seed}}/metrics.csv",
        manifest=f"{RUN}/warmup/seed-{{seed}}/manifest.json",
    log:
        f"{RUN}/logs/warmup-seed-{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: threads_of("warmup")
    resources:
        **resources_of("warmup", on_gpu=True),
    params:
        **params_of("warmup"),
    shell:
        RUN_STAGE
