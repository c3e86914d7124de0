# The table of methods and seeds.
rule tables:
    input:
        split=rules.split.output.split,
        supernet=of_all_networks(rules.evaluate_supernet.output.scores),
        network=of_all_networks(rules.evaluate_network.output.scores),
        profile=of_all_networks(rules.profile.output.profile),
        constant=rules.evaluate_constant.output.scores,
    output:
        csv=f"{RUN}/tables/miou.csv",
        html=f"{RUN}/tables/miou.html",
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
    shell:
        call("tables")
        + "--manifest {output.manifest} --inputs split={input.split} constant={input.constant} "
        "--several supernet {input.supernet} --several network {input.network} --several profile {input.profile} "
        "--outputs csv={output.csv} html={output.html}"
