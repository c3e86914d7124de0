# A page of each round's pseudo labels, for people; no later stage waits for it.
GALLERIES = expand(
    f"{SEARCH}/gallery.html",
    method=LABELLED,
    seed=SETTINGS.seeds,
    round=range(1, SETTINGS.search.rounds + 1),
)


rule gallery:
    input:
        split=rules.split.output.split,
        shards=lambda wildcards: pseudo_labels(wildcards, "shard"),
        previous=lambda wildcards: pseudo_labels(wildcards, "shard", back=1),
    output:
        page=f"{SEARCH}/gallery.html",
        manifest=f"{SEARCH}/.manifest-gallery.json",
    log:
        f"{RUN}/logs/gallery-{{method}}-seed-{{seed}}-round-{{round}}.log",
    conda:
        ENVIRONMENT
    resources:
        **resources_of("gallery"),
    params:
        **params_of("gallery"),
    shell:
        RUN_STAGE
