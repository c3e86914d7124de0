# The guide of a co-search: its discrete network, trained before the searched one that it is distilled into.
if SETTINGS.search.cosearch:

    rule derive_guide:
        input:
            architecture=last_round("guide.json"),
        output:
            genotype=f"{RUN}/derive/{{method}}/seed-{{seed}}/guide.json",
            manifest=f"{RUN}/derive/{{method}}/seed-{{seed}}/.manifest-guide.json",
        log:
            f"{RUN}/logs/derive-guide-{{method}}-seed-{{seed}}.log",
        conda:
            ENVIRONMENT
        resources:
            **resources_of("derive_guide"),
        params:
            **params_of("derive_guide"),
        shell:
            RUN_STAGE

    rule retrain_guide:
        input:
            split=rules.split.output.split,
            genotype=rules.derive_guide.output.genotype,
            supernet=initial_supernet,
            class_pixels=counted_classes(),
        output:
            network=f"{RUN}/retrain/{{method}}/seed-{{seed}}/guide.pt",
            metrics=f"{RUN}/retrain/{{method}}/seed-{{seed}}/guide-metrics.csv",
            manifest=f"{RUN}/retrain/{{method}}/seed-{{seed}}/.manifest-guide.json",
        log:
            f"{RUN}/logs/retrain-guide-{{method}}-seed-{{seed}}.log",
        conda:
            ENVIRONMENT
        threads: threads_of("retrain_guide")
        resources:
            **resources_of("retrain_guide"),
        params:
            **params_of("retrain_guide"),
        shell:
            RUN_STAGE
