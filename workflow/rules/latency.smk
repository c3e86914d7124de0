# The latency lookup table of this device. It takes all cores, so that no other job disturbs the clock.
rule latency:
    output:
        table=f"{RUN}/latency/table.csv",
        manifest=f"{RUN}/latency/manifest.json",
    log:
        f"{RUN}/logs/latency.log",
    conda:
        "../../environment.yml"
    threads: workflow.cores or THREADS
    resources:
        untracked=untracked_of("latency"),
    params:
        settings=settings_of("latency"),
        code=code_of("latency"),
    shell:
        call("latency") + "--manifest {output.manifest} --outputs output={output.table}"
