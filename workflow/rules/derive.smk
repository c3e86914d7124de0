# The discrete network of a search, and its measured latency.
rule derive:
    input:
        architecture=last_round("architecture.json"),
        table=rules.latency.output.table,
        match=matched_genotype,
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
        match=lambda wildcards, input: f"match={input.match}" if input.match else "",
    shell:
        call("derive")
        + "--manifest {output.manifest} --inputs architecture={input.architecture} table={input.table} "
        "{params.match} --outputs output={output.genotype}"


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
    threads: workflow.cores or THREADS
    resources:
        untracked=untracked_of("profile"),
    params:
        settings=settings_of("profile"),
        code=code_of("profile"),
    shell:
        call("profile")
        + "--manifest {output.manifest} --inputs genotype={input.genotype} table={input.table} "
        "--outputs output={output.profile}"
