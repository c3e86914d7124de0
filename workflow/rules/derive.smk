# The discrete network of a search, and its measured latency.
if COMPARES:

    rule candidates:
        input:
            split=rules.split.output.split,
            table=rules.latency.output.table,
            checkpoint=last_round("checkpoint.pt"),
            architecture=last_round("architecture.json"),
            reach=reachable_range(),
        output:
            table=f"{RUN}/derive/{{method}}/seed-{{seed}}/candidates.csv",
            manifest=f"{RUN}/derive/{{method}}/seed-{{seed}}/manifest-candidates.json",
        log:
            f"{RUN}/logs/candidates-{{method}}-seed-{{seed}}.log",
        conda:
            "../../environment.yml"
        threads: THREADS
        resources:
            untracked=untracked_of("candidates"),
            gpu=gpus_of("candidates"),
        params:
            settings=settings_of("candidates"),
            code=code_of("candidates"),
            images=images_of("candidates"),
        shell:
            call("candidates")
            + "--manifest {output.manifest} --inputs split={input.split} table={input.table} "
            "checkpoint={input.checkpoint} architecture={input.architecture} --outputs output={output.table}"


rule derive:
    input:
        architecture=last_round("architecture.json"),
        table=rules.latency.output.table,
        match=matched_genotype,
        candidates=compared_candidates,
        reach=reachable_range(),
    output:
        genotype=f"{RUN}/derive/{{method}}/seed-{{seed}}/genotype.json",
        manifest=f"{RUN}/derive/{{method}}/seed-{{seed}}/manifest.json",
    log:
        f"{RUN}/logs/derive-{{method}}-seed-{{seed}}.log",
    conda:
        "../../environment.yml"
    resources:
        untracked=untracked_of("derive"),
    params:
        settings=settings_of("derive"),
        code=code_of("derive"),
        optional=lambda wildcards, input: given(
            match=input.match, candidates=input.candidates
        ),
    shell:
        call("derive")
        + "--manifest {output.manifest} --inputs architecture={input.architecture} table={input.table} "
        "{params.optional} --outputs output={output.genotype}"


# It takes all cores, so that no other job disturbs the clock.
rule profile:
    input:
        genotype=rules.derive.output.genotype,
        table=rules.latency.output.table,
    output:
        profile=f"{RUN}/profile/{{method}}/seed-{{seed}}/profile.json",
        manifest=f"{RUN}/profile/{{method}}/seed-{{seed}}/manifest.json",
    log:
        f"{RUN}/logs/profile-{{method}}-seed-{{seed}}.log",
    conda:
        "../../environment.yml"
    threads: whole_machine
    resources:
        untracked=untracked_of("profile"),
        gpu=gpus_of("profile"),
    params:
        settings=settings_of("profile"),
        code=code_of("profile"),
    shell:
        call("profile")
        + "--manifest {output.manifest} --inputs genotype={input.genotype} table={input.table} "
        "--outputs output={output.profile}"
