# Warm-up of the supernet, and of the student: one per seed, shared by all methods (with a student). Warm-ups, labels,
# rounds and derivation have a priority, so that the long retrainings run side by side at the end.
rule warmup:
    input:
        split=rules.split.output.split,
    output:
        checkpoint=f"{RUN}/warmup/seed-{{seed}}/checkpoint.pt",
        metrics=f"{RUN}/warmup/seed-{{seed}}/metrics.csv",
        manifest=f"{RUN}/warmup/seed-{{seed}}/.manifest.json",
    log:
        f"{RUN}/logs/warmup-seed-{{seed}}.log",
    priority: 1
    conda:
        ENVIRONMENT
    threads: threads_of("warmup")
    resources:
        **resources_of("warmup"),
    params:
        **params_of("warmup"),
    shell:
        RUN_STAGE


rule student_warmup:
    input:
        split=rules.split.output.split,
        weights=STUDENT_WEIGHTS,
    output:
        checkpoint=f"{RUN}/student_warmup/seed-{{seed}}/checkpoint.pt",
        metrics=f"{RUN}/student_warmup/seed-{{seed}}/metrics.csv",
        manifest=f"{RUN}/student_warmup/seed-{{seed}}/.manifest.json",
    log:
        f"{RUN}/logs/student-warmup-seed-{{seed}}.log",
    priority: 1
    conda:
        ENVIRONMENT
    threads: threads_of("student_warmup")
    resources:
        **resources_of("student_warmup"),
    params:
        **params_of("student_warmup"),
    shell:
        RUN_STAGE
