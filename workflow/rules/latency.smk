# The latency lookup table of this device. It takes all cores, so that no other job disturbs the clock.
rule latency:
    output:
        table=f"{RUN}/latency/table.csv",
        manifest=f"{RUN}/latency/manifest.json",
    log:
        f"{RUN}/logs/latency.log",
    priority: 1
    conda:
        "../../environment.yml"
    threads: whole_machine
    resources:
        untracked=untracked_of("latency"),
        gpu=gpus_of("latency"),
    params:
        settings=settings_of("latency"),
        code=code_of("latency"),
    shell:
        call("latency") + "--manifest {output.manifest} --outputs output={output.table}"


# Where windows are wanted: refused as soon as there is a table, while the warm-up has hardly begun.
if WINDOWS:

    rule reach:
        input:
            table=rules.latency.output.table,
        output:
            reach=f"{RUN}/latency/reach.json",
            manifest=f"{RUN}/latency/manifest-reach.json",
        log:
            f"{RUN}/logs/reach.log",
        priority: 1
        conda:
            "../../environment.yml"
        resources:
            untracked=untracked_of("reach"),
        params:
            settings=settings_of("reach"),
            code=code_of("reach"),
        shell:
            call("reach")
            + "--manifest {output.manifest} --inputs table={input.table} --outputs output={output.reach}"
