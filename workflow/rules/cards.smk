# The card of each network, beside the network: scores, pictures and the lines that use it.
rule cards:
    input:
        scores=of_all_networks(rules.evaluate_network.output.scores),
        images=of_all_networks(rules.evaluate_network.output.images),
        pictures=of_all_networks(rules.evaluate_network.output.pictures),
        predictions=of_all_networks(rules.evaluate_network.output.predictions),
        profile=of_all_networks(rules.profile.output.profile),
        packed=of_all_networks(rules.pack.output.packed),
        figure=of_methods(f"{RUN}/figures/{{method}}/seed-{{seed}}/network.png"),
    output:
        card=of_all_networks(f"{NETWORK}/README.md"),
        copied=of_methods(f"{NETWORK}/architecture.png"),
        example=of_all_networks(f"{NETWORK}/example.png") if PICTURES else [],
        manifest=f"{RUN}/networks/.manifest.json",
    log:
        f"{RUN}/logs/cards.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("cards"),
    params:
        **params_of("cards"),
    shell:
        RUN_STAGE
