# Tables of methods and seeds: CSV for programs, HTML and Markdown for people.
rule tables:
    input:
        split=rules.split.output.split,
        supernet=of_all_networks(rules.evaluate_supernet.output.scores),
        network=of_all_networks(rules.evaluate_network.output.scores),
        profile=of_all_networks(rules.profile.output.profile),
        constant=rules.evaluate_constant.output.scores,
        architecture=of_all_networks(last_round("architecture.json")),
    output:
        html=[page_of(table) for table in TABLES],
        csv=expand(f"{RUN}/tables/{{table}}.csv", table=TABLES),
        markdown=expand(f"{RUN}/tables/{{table}}.md", table=TABLES),
        manifest=f"{RUN}/tables/manifest.json",
    log:
        f"{RUN}/logs/tables.log",
    conda:
        "../../environment.yml"
    resources:
        untracked=untracked_of("tables"),
    params:
        settings=settings_of("tables"),
        code=code_of("tables"),
        folder=lambda wildcards, output: os.path.dirname(output.manifest),
    shell:
        call("tables")
        + "--manifest {output.manifest} --inputs split={input.split} constant={input.constant} "
        "--several supernet {input.supernet} --several network {input.network} --several profile {input.profile} "
        "--several architecture {input.architecture} "
        "--outputs folder={params.folder} --record {output.html} {output.csv} {output.markdown}"
