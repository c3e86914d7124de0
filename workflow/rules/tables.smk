# Tables of methods and seeds: CSV for programs, HTML and Markdown for people.
rule tables:
    input:
        split=rules.split.output.split,
        supernet=of_methods(rules.evaluate_supernet.output.scores),
        network=of_all_networks(rules.evaluate_network.output.scores),
        profile=of_all_networks(rules.profile.output.profile),
        genotype=of_methods(rules.derive.output.genotype),
        constant=rules.evaluate_constant.output.scores,
        architecture=of_methods(last_round("architecture.json")),
        steps=of_methods(*every_round("metrics.csv")),
    output:
        html=[page_of(table) for table in TABLES],
        csv=expand(f"{RUN}/tables/{{table}}.csv", table=TABLES),
        markdown=expand(f"{RUN}/tables/{{table}}.md", table=TABLES),
        manifest=f"{RUN}/tables/.manifest.json",
    log:
        f"{RUN}/logs/tables.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("tables"),
    params:
        **params_of("tables"),
    shell:
        RUN_STAGE
