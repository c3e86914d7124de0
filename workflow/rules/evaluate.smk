# Scores on the official validation images: supernet, retrained network, constant prediction.
rule evaluate_supernet:
    input:
        split=rules.split.output.split,
        checkpoints=(
            every_round("checkpoint.pt")
            if SETTINGS.evaluation.every_round
            else last_round("checkpoint.pt")
        ),
    output:
        scores=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/supernet.json",
        rounds=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/rounds.csv",
        manifest=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/.manifest-supernet.json",
    log:
        f"{RUN}/logs/evaluate-supernet-{{method}}-seed-{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **resources_of("evaluate_supernet"),
    params:
        **params_of("evaluate_supernet"),
    shell:
        RUN_STAGE


rule evaluate_network:
    input:
        split=rules.split.output.split,
        network=rules.retrain.output.network,
    output:
        scores=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/network.json",
        images=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/images.csv",
        pictures=directory(f"{RUN}/evaluate/{{method}}/seed-{{seed}}/pictures"),
        predictions=directory(f"{RUN}/evaluate/{{method}}/seed-{{seed}}/predictions"),
        manifest=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/.manifest-network.json",
    log:
        f"{RUN}/logs/evaluate-network-{{method}}-seed-{{seed}}.log",
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **resources_of("evaluate_network"),
    params:
        **params_of("evaluate_network"),
    shell:
        RUN_STAGE


rule evaluate_constant:
    input:
        split=rules.split.output.split,
        class_pixels=rules.class_pixels.output.pixels,
    output:
        scores=f"{RUN}/evaluate/constant/constant.json",
        manifest=f"{RUN}/evaluate/constant/.manifest.json",
    log:
        f"{RUN}/logs/evaluate-constant.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("evaluate_constant"),
    params:
        **params_of("evaluate_constant"),
    shell:
        RUN_STAGE
