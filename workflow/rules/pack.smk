# The file for people: the retrained network with its scores, its profile and the digest of all settings.
rule pack:
    input:
        network=rules.retrain.output.network,
        scores=rules.evaluate_network.output.scores,
        profile=rules.profile.output.profile,
    output:
        network=f"{RUN}/networks/{{method}}-seed-{{seed}}.pt",
        manifest=f"{RUN}/networks/manifest-{{method}}-seed-{{seed}}.json",
    log:
        f"{RUN}/logs/pack-{{method}}-seed-{{seed}}.log",
    conda:
        "../../environment.yml"
    resources:
        untracked=untracked_of("pack"),
    params:
        settings=settings_of("pack"),
        code=code_of("pack"),
    shell:
        call("pack")
        + "--manifest {output.manifest} --inputs network={input.network} scores={input.scores} "
        "profile={input.profile} --outputs output={output.network}"
