# The files that rules read, by their wildcards and by what the settings ask for.
SEARCH = f"{RUN}/search/{{method}}/seed-{{seed}}/round-{{round}}"
STUDENT_WEIGHTS = SETTINGS.search.student.weights_file or []
COMPARES = SETTINGS.derivation.rule == "search" or SETTINGS.space.branches == "best"
LABELLED = [m for m in SETTINGS.methods if METHODS[m].needs_pseudo_labels]
SHARDS = [f"{shard:03d}" for shard in range(SETTINGS.search.shards)]
TAUGHT = [m for m in SETTINGS.methods if METHODS[m].has_student]

# If the warm-up exists already, Snakemake would not notice that its input is missing.
if STUDENT_WEIGHTS and TAUGHT and not os.path.exists(STUDENT_WEIGHTS):
    raise WorkflowError(
        f"search.student.weights: {STUDENT_WEIGHTS}: is missing. Name a file, or write `none`, `imagenet` or `coco`."
    )


def of_round(file, number):
    """The given file of a round of a method."""
    return f"{SEARCH}/{file}".replace("{round}", str(number))


def last_round(file):
    """The given file of a method's last round."""
    return of_round(file, SETTINGS.search.rounds)


def every_round(file):
    """The given file of all rounds of a method, in their order."""
    return [of_round(file, number) for number in range(1, SETTINGS.search.rounds + 1)]


def of_methods(*patterns):
    """Files of all methods and seeds, of one pattern after another."""
    return expand(patterns, method=SETTINGS.methods, seed=SETTINGS.seeds)


def of_all_networks(*patterns):
    """The same of all methods, baselines and seeds."""
    return expand(patterns, method=SETTINGS.methods_and_baselines, seed=SETTINGS.seeds)


def of_students(pattern):
    """Files of all seeds of the student's warm-up, if a method has a student."""
    return expand(pattern, seed=SETTINGS.seeds) if TAUGHT else []


def previous_checkpoint(wildcards):
    before = int(wildcards.round) - 1
    pattern = (
        of_round("checkpoint.pt", before) if before else rules.warmup.output.checkpoint
    )
    return pattern.format(**wildcards)


def previous_state(wildcards):
    """The training state from which a round continues; the first round starts from the warm-ups."""
    before = int(wildcards.round) - 1
    return of_round("training_state.pt", before).format(**wildcards) if before else []


def pseudo_labels(wildcards, kind, back=0):
    """Files `shard` or `probability` of a job's round, or of `back` rounds before; none before the first round."""
    number = int(wildcards.round) - back
    if not METHODS[wildcards.method].needs_pseudo_labels or number < 1:
        return []
    pattern = of_round(f"pseudo_labels/{kind}-{{shard}}.h5", number)
    return expand(pattern, **wildcards, shard=SHARDS)


def warmed_up_student(wildcards):
    """The student or tester after its warm-up; later rounds continue from that of the round before."""
    if not METHODS[wildcards.method].has_student or int(wildcards.round) > 1:
        return []
    return rules.student_warmup.output.checkpoint.format(**wildcards)


def derived_genotype(wildcards):
    """The discrete network of a method; a baseline has none."""
    if wildcards.method in BASELINES:
        return []
    return rules.derive.output.genotype.format(**wildcards)


def initial_supernet(wildcards):
    """The checkpoint whose weights a retrained network inherits, if it inherits any; a baseline has none."""
    if wildcards.method in BASELINES or SETTINGS.retrain.initial != "supernet":
        return []
    return last_round("checkpoint.pt").format(**wildcards)


def counted_classes():
    """The training pixels of each class, if the loss of retraining needs them."""
    if SETTINGS.retrain.loss not in BALANCED_LOSSES:
        return []
    return rules.class_pixels.output.pixels


def retrained_guide(wildcards):
    """The network that is distilled into the searched one, if there is a co-search; a baseline has none."""
    if wildcards.method in BASELINES or not SETTINGS.search.cosearch:
        return []
    return f"{RUN}/retrain/{wildcards.method}/seed-{wildcards.seed}/guide.pt"


def matched_genotype(wildcards):
    """The network of the same seed whose latency a random network must have."""
    match = SETTINGS.search.random_match
    if METHODS[wildcards.method].searches or match in ("none", "window"):
        return []
    return f"{RUN}/derive/{match}/seed-{wildcards.seed}/genotype.json"


def decided_architecture(wildcards):
    """The logits from which a network is derived; a control draws its network without scores."""
    scored = SETTINGS.derivation.operators == "removal"
    if scored and METHODS[wildcards.method].searches:
        return rules.operators.output.scored.format(**wildcards)
    return last_round("architecture.json").format(**wildcards)


def compared_candidates(wildcards):
    """Scores of the networks that may be derived; a control draws its network without scores."""
    if not METHODS[wildcards.method].searches or not COMPARES:
        return []
    return rules.candidates.output.candidates.format(**wildcards)


def reach_of(window):
    """The file that proves that the window of the search or of the derivation can be met, if there is a window."""
    if getattr(SETTINGS, window).fps is None:
        return []
    return f"{RUN}/latency/reach-{window}.json"


def every_manifest():
    """The manifests of all jobs: a stage that was stopped has lost its own, so the next run makes it again."""
    once = [
        *(rules.check, rules.split, rules.class_pixels),
        *(rules.latency, rules.evaluate_constant),
    ]
    of_method = [rules.derive, rules.evaluate_supernet]
    if SETTINGS.search.cosearch:
        of_method += [rules.derive_guide, rules.retrain_guide]
    each = [rules.profile, rules.retrain, rules.evaluate_network, rules.pack]
    of_labels = every_round("pseudo_labels/.manifest-{shard}.json")
    return [
        *(rule.output.manifest for rule in once),
        *expand(rules.warmup.output.manifest, seed=SETTINGS.seeds),
        *of_students(rules.student_warmup.output.manifest),
        *of_methods(*every_round(".manifest.json")),
        *of_methods(*(rule.output.manifest for rule in of_method)),
        *of_all_networks(*(rule.output.manifest for rule in each)),
        *expand(of_labels, method=LABELLED, seed=SETTINGS.seeds, shard=SHARDS),
    ]


def of_tabular_jobs(pattern):
    """Files of all jobs that train networks of the table, with all seeds."""
    return expand(pattern, seed=SETTINGS.seeds, job=TABULAR_JOBS)


def whole_table():
    """The table and the manifests of its jobs, if the settings ask for one; see `every_manifest`."""
    if SETTINGS.tabular is None:
        return []
    return [
        *rules.tabular_table.output,
        *of_tabular_jobs(rules.tabular_scores.output.manifest),
        rules.tabular_latency.output.manifest,
    ]
