# The manifests of all jobs are targets: a stage that was stopped has lost its own, so the next run makes it again.
SHARDS = [f"{shard:03d}" for shard in range(SETTINGS.search.shards)]


def every_manifest():
    """Manifests of the stages whose other outputs are no targets."""
    once = [rules.check, rules.split, rules.latency, rules.evaluate_constant]
    each = [
        *(rules.derive, rules.profile, rules.retrain),
        *(rules.evaluate_supernet, rules.evaluate_network, rules.pack),
    ]
    if SETTINGS.search.cosearch:
        each += [rules.derive_guide, rules.retrain_guide]
    return [
        *(rule.output.manifest for rule in once),
        *expand(rules.warmup.output.manifest, seed=SETTINGS.seeds),
        *of_all_networks(*every_round("manifest.json")),
        *of_all_networks(*(rule.output.manifest for rule in each)),
        *expand(
            every_round("pseudo_labels/manifest-{shard}.json"),
            method=LABELLED,
            seed=SETTINGS.seeds,
            shard=SHARDS,
        ),
    ]
