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
        manifest=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/manifest-supernet.json",
    log:
        f"{RUN}/logs/evaluate-supernet-{{method}}-seed-{{seed}}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        untracked=untracked_of("evaluate_supernet"),
        gpu=gpus_of("evaluate_supernet"),
    params:
        settings=settings_of("evaluate_supernet"),
        code=code_of("evaluate_supernet"),
        images=images_of("evaluate_supernet"),
    shell:
        call("evaluate_supernet")
        + "--manifest {output.manifest} --inputs split={input.split} "
        "--several checkpoints {input.checkpoints} --outputs output={output.scores} rounds={output.rounds}"


rule evaluate_network:
    input:
        split=rules.split.output.split,
        network=rules.retrain.output.network,
    output:
        scores=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/network.json",
        pictures=directory(f"{RUN}/evaluate/{{method}}/seed-{{seed}}/pictures"),
        predictions=directory(f"{RUN}/evaluate/{{method}}/seed-{{seed}}/predictions"),
        manifest=f"{RUN}/evaluate/{{method}}/seed-{{seed}}/manifest-network.json",
    log:
        f"{RUN}/logs/evaluate-network-{{method}}-seed-{{seed}}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        untracked=untracked_of("evaluate_network"),
        gpu=gpus_of("evaluate_network"),
    params:
        settings=settings_of("evaluate_network"),
        code=code_of("evaluate_network"),
        images=images_of("evaluate_network"),
    shell:
        call("evaluate_network")
        + "--manifest {output.manifest} --inputs split={input.split} network={input.network} "
        "--outputs output={output.scores} pictures={output.pictures} "
        "predictions={output.predictions}"


rule evaluate_constant:
    input:
        split=rules.split.output.split,
    output:
        scores=f"{RUN}/evaluate/constant/constant.json",
        manifest=f"{RUN}/evaluate/constant/manifest.json",
    log:
        f"{RUN}/logs/evaluate-constant.log",
    conda:
        "../../environment.yml"
    resources:
        untracked=untracked_of("evaluate_constant"),
    params:
        settings=settings_of("evaluate_constant"),
        code=code_of("evaluate_constant"),
        images=images_of("evaluate_constant"),
    shell:
        call("evaluate_constant")
        + "--manifest {output.manifest} --inputs split={input.split} --outputs output={output.scores}"
