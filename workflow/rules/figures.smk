# Figures, as SVG and PNG: those that compare the methods, and those of each method and seed.
rule compare:
    input:
        split=rules.split.output.split,
        supernet=of_methods(rules.evaluate_supernet.output.scores),
        network=of_all_networks(rules.evaluate_network.output.scores),
        profile=of_all_networks(rules.profile.output.profile),
        genotype=of_methods(rules.derive.output.genotype),
        constant=rules.evaluate_constant.output.scores,
        rounds=of_methods(rules.evaluate_supernet.output.rounds),
        warmup=expand(rules.warmup.output.metrics, seed=SETTINGS.seeds),
        student_warmup=of_students(rules.student_warmup.output.metrics),
        steps=of_methods(*every_round("metrics.csv")),
        retraining=of_all_networks(rules.retrain.output.metrics),
        predictions=of_all_networks(rules.evaluate_network.output.predictions),
    output:
        svg=[compared_figure(*item) for item in compared_figures().items()],
        png=expand(f"{RUN}/figures/{{name}}.png", name=compared_figures()),
        manifest=f"{RUN}/figures/.manifest.json",
    log:
        f"{RUN}/logs/compare.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("compare"),
    params:
        **params_of("compare"),
    shell:
        RUN_STAGE


rule draw:
    input:
        architecture=expand(
            every_round("architecture.json"), method=SEARCHED, seed=SETTINGS.seeds
        ),
        genotype=of_methods(rules.derive.output.genotype),
        network=of_all_networks(rules.evaluate_network.output.scores),
    output:
        svg=[network_figure(*item) for item in network_figures()],
        png=[
            f"{RUN}/figures/{method}/seed-{seed}/{name}.png"
            for name, method, seed in network_figures()
        ],
        manifest=f"{RUN}/figures/.manifest-networks.json",
    log:
        f"{RUN}/logs/draw.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("draw"),
    params:
        **params_of("draw"),
    shell:
        RUN_STAGE
