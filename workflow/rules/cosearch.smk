# The guide of a co-search: its discrete network, trained before the searched one that it is distilled into.
if SETTINGS.search.cosearch:

    rule derive_guide:
        input:
            architecture=last_round("guide.json"),
        output:
            genotype=f"{RUN}/derive/{{method}}/seed-{{seed}}/guide.json",
            manifest=f"{RUN}/derive/{{method}}/seed-{{seed}}/manifest-guide.json",
        log:
            f"{RUN}/logs/derive-guide-{{method}}-seed-{{seed}}.log",
        conda:
            "../../environment.yml"
        resources:
            untracked=untracked_of("derive_guide"),
        params:
            settings=settings_of("derive_guide"),
            code=code_of("derive_guide"),
        shell:
            call("derive_guide")
            + "--manifest {output.manifest} --inputs architecture={input.architecture} "
            "--outputs output={output.genotype}"

    rule retrain_guide:
        input:
            split=rules.split.output.split,
            genotype=rules.derive_guide.output.genotype,
            supernet=initial_supernet(),
        output:
            network=f"{RUN}/retrain/{{method}}/seed-{{seed}}/guide.pt",
            metrics=f"{RUN}/retrain/{{method}}/seed-{{seed}}/guide-metrics.csv",
            manifest=f"{RUN}/retrain/{{method}}/seed-{{seed}}/manifest-guide.json",
        log:
            f"{RUN}/logs/retrain-guide-{{method}}-seed-{{seed}}.log",
        conda:
            "../../environment.yml"
        threads: threads_of("retrain_guide")
        resources:
            untracked=untracked_of("retrain_guide"),
            gpu=gpus_of("retrain_guide"),
        params:
            settings=settings_of("retrain_guide"),
            code=code_of("retrain_guide"),
            images=images_of("retrain_guide"),
            supernet=lambda wildcards, input: given(supernet=input.supernet),
        shell:
            call("retrain_guide")
            + "--manifest {output.manifest} --inputs split={input.split} genotype={input.genotype} "
            "{params.supernet} --outputs network={output.network} metrics={output.metrics}"
