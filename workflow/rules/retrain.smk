# The derived network learns from random weights.
rule retrain:
    input:
        split=rules.split.output.split,
        genotype=rules.derive.output.genotype,
    output:
        network=f"{RUN}/retrain/{{method}}/seed-{{seed}}/network.pt",
        metrics=f"{RUN}/retrain/{{method}}/seed-{{seed}}/metrics.csv",
        manifest=f"{RUN}/retrain/{{method}}/seed-{{seed}}/manifest.json",
    log:
        f"{RUN}/logs/retrain-{{method}}-seed-{{seed}}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        untracked=untracked_of("retrain"),
    params:
        settings=settings_of("retrain"),
        code=code_of("retrain"),
    shell:
        call("retrain")
        + "--manifest {output.manifest} --inputs split={input.split} genotype={input.genotype} "
        "--outputs network={output.network} metrics={output.metrics}"
