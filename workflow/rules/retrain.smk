# The derived network learns: from random weights or the supernet's, from labels and, after a co-search, from its guide.
rule retrain:
    input:
        split=rules.split.output.split,
        genotype=rules.derive.output.genotype,
        guide=retrained_guide(),
        supernet=initial_supernet(),
    output:
        network=f"{RUN}/retrain/{{method}}/seed-{{seed}}/network.pt",
        metrics=f"{RUN}/retrain/{{method}}/seed-{{seed}}/metrics.csv",
        manifest=f"{RUN}/retrain/{{method}}/seed-{{seed}}/manifest.json",
    log:
        f"{RUN}/logs/retrain-{{method}}-seed-{{seed}}.log",
    conda:
        "../../environment.yml"
    threads: threads_of("retrain")
    resources:
        untracked=untracked_of("retrain"),
        gpu=gpus_of("retrain"),
    params:
        settings=settings_of("retrain"),
        code=code_of("retrain"),
        images=images_of("retrain"),
        optional=lambda wildcards, input: given(
            guide=input.guide, supernet=input.supernet
        ),
    shell:
        call("retrain")
        + "--manifest {output.manifest} --inputs split={input.split} genotype={input.genotype} {params.optional} "
        "--outputs network={output.network} metrics={output.metrics}"
