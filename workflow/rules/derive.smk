# The discrete network of a search, and the measured latency of all networks.
if SETTINGS.derivation.operators == "removal":

    rule operators:
        input:
            split=rules.split.output.split,
            checkpoint=last_round("checkpoint.pt"),
            architecture=last_round("architecture.json"),
        output:
            operators=f"{RUN}/derive/{{method}}/seed-{{seed}}/operators.csv",
            scored=f"{RUN}/derive/{{method}}/seed-{{seed}}/architecture.json",
            manifest=f"{RUN}/derive/{{method}}/seed-{{seed}}/.manifest-operators.json",
        log:
            f"{RUN}/logs/operators-{{method}}-seed-{{seed}}.log",
        conda:
            ENVIRONMENT
        threads: THREADS
        resources:
            **resources_of("operators"),
        params:
            **params_of("operators"),
        shell:
            RUN_STAGE


if COMPARES:

    rule candidates:
        input:
            reach_of("derivation"),
            split=rules.split.output.split,
            table=rules.latency.output.table,
            checkpoint=last_round("checkpoint.pt"),
            architecture=decided_architecture,
        output:
            candidates=f"{RUN}/derive/{{method}}/seed-{{seed}}/candidates.csv",
            manifest=f"{RUN}/derive/{{method}}/seed-{{seed}}/.manifest-candidates.json",
        log:
            f"{RUN}/logs/candidates-{{method}}-seed-{{seed}}.log",
        conda:
            ENVIRONMENT
        threads: THREADS
        resources:
            **resources_of("candidates"),
        params:
            **params_of("candidates"),
        shell:
            RUN_STAGE


rule derive:
    input:
        reach_of("derivation"),
        architecture=decided_architecture,
        table=rules.latency.output.table,
        match=matched_genotype,
        candidates=compared_candidates,
    output:
        genotype=f"{RUN}/derive/{{method}}/seed-{{seed}}/genotype.json",
        manifest=f"{RUN}/derive/{{method}}/seed-{{seed}}/.manifest.json",
    log:
        f"{RUN}/logs/derive-{{method}}-seed-{{seed}}.log",
    priority: 1
    conda:
        ENVIRONMENT
    resources:
        **resources_of("derive"),
    params:
        **params_of("derive"),
    shell:
        RUN_STAGE


# It takes all cores, so that no other job disturbs the clock. Its priority keeps the scores and files of networks, which
# can share the cores, for after it.
rule profile:
    input:
        genotype=derived_genotype,
        table=rules.latency.output.table,
    output:
        profile=f"{RUN}/profile/{{method}}/seed-{{seed}}/profile.json",
        manifest=f"{RUN}/profile/{{method}}/seed-{{seed}}/.manifest.json",
    log:
        f"{RUN}/logs/profile-{{method}}-seed-{{seed}}.log",
    priority: 1
    conda:
        ENVIRONMENT
    threads: whole_machine
    resources:
        **resources_of("profile"),
    params:
        **params_of("profile"),
    shell:
        RUN_STAGE
