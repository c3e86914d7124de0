NETWORK = f"{RUN}/networks/{{method}}-seed-{{seed}}"


# The file for people: the retrained network with its scores, its profile and the digest of all settings.
rule pack:
    input:
        network=rules.retrain.output.network,
        scores=rules.evaluate_network.output.scores,
        profile=rules.profile.output.profile,
    output:
        packed=f"{NETWORK}/network.pt",
        manifest=f"{NETWORK}/.manifest.json",
    log:
        f"{RUN}/logs/pack-{{method}}-seed-{{seed}}.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("pack"),
    params:
        **params_of("pack"),
    shell:
        RUN_STAGE
