# Settings and helpers that all rules share.
import os
import shlex
import signal
import sys
from operator import attrgetter
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))
# Slurm sends its warning before the time limit to every process of a job. Only a loop that saves its state handles
# it; the Snakemake and the shell that the stage runs in ignore it.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
# Jobs import the package from this clone. Snakemake formats the prefix, so braces are doubled.
PACKAGE = shlex.quote(str(ROOT)).replace("{", "{{").replace("}", "}}")
shell.prefix(f"set -euo pipefail; trap '' USR1; export PYTHONPATH={PACKAGE}; ")

from snakemake.exceptions import WorkflowError

from lbt.config.methods import METHODS
from lbt.config.read import parse_settings
from lbt.errors import LbtError
from lbt.stages.run import Job
from lbt.stages.settings import job_settings, stage_settings
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import code_of_job, compares_images
from lbt.views.report_page import collect_facts


include: "private.smk"


if not config:
    raise WorkflowError(
        "There are no settings: name a file with --configfile, or keep workflow/profiles/default, which names one."
    )
try:
    SETTINGS = parse_settings(config, name_of_settings())
except LbtError as error:
    raise WorkflowError(str(error))

# For the first page of `snakemake --report`, which sees nothing else.
config["facts"] = collect_facts(SETTINGS)

RUN = f"results/{SETTINGS.run}"
LOGS = Path(RUN, "logs")
COMMAND = shlex.join(["snakemake", *sys.argv[1:]])
THREADS = SETTINGS.compute.threads
SEARCH = f"{RUN}/search/{{method}}/seed-{{seed}}/round-{{round}}"
STUDENT_WEIGHTS = SETTINGS.search.student.weights_file or []
WINDOWS = [w for w in (SETTINGS.search.fps, SETTINGS.derivation.fps) if w is not None]
COMPARES = SETTINGS.derivation.rule == "search" or SETTINGS.space.branches == "best"
LABELLED = [m for m in SETTINGS.methods if METHODS[m].needs_pseudo_labels]

# If the round exists already, Snakemake would not notice that its input is missing.
if (
    STUDENT_WEIGHTS
    and any(METHODS[method].has_student for method in SETTINGS.methods)
    and not os.path.exists(STUDENT_WEIGHTS)
):
    raise WorkflowError(
        f"search.student.weights: {STUDENT_WEIGHTS}: is missing. Name a file, or write `none`, `imagenet` or `coco`."
    )


wildcard_constraints:
    method="[a-z][a-z0-9_]*",
    seed=r"\d+",
    round=r"\d+",
    shard=r"\d+",


# The shell command of every rule that runs a stage; rule and stage have the same name.
RUN_STAGE = "python -m lbt stage {rule} --job {params.job:q} --log {log:q}"


def params_of(stage):
    """The parameters of a rule that runs a stage.

    Snakemake compares the settings, the fingerprint of the code and the versions of the images with those of the last
    run. It does not compare `job`, because that is a function of input and output too. It holds the values for the
    command line: all settings, and the named files of the rule; a file without a name only orders jobs.
    """

    def numbers(wildcards):
        return {k: v if k == "method" else int(v) for k, v in wildcards.items()}

    def settings(wildcards):
        return stage_settings(SETTINGS, stage, numbers(wildcards))

    def code(wildcards):
        return code_of_job(stage, wildcards.get("method", ""))

    def job(wildcards, input, output):
        return Job(
            settings=job_settings(SETTINGS, stage, numbers(wildcards)),
            code=code(wildcards),
            images=images_read(VERSIONS, stage, wildcards.get("method", "")),
            inputs=dict(input.items()),
            outputs=dict(output.items()),
        ).to_json()

    params = {"settings": settings, "code": code, "job": job}
    return params | ({"images": images_of(stage)} if compares_images(stage) else {})


def processes_of(stage):
    """Processes that run a stage together, each on a GPU of its own if there is one."""
    key = STAGES[stage].gpus
    return 1 if key is None else attrgetter(key)(SETTINGS)


def threads_of(stage):
    return THREADS * processes_of(stage)


def gpus_of(stage):
    """GPUs of a stage's job, which a cluster reserves; the slurm profile spells the request."""
    return 0 if SETTINGS.compute.device == "cpu" else processes_of(stage)


def whole_machine(wildcards):
    """Threads of a job that measures time: all cores, so that no other job disturbs the clock."""
    try:
        return workflow.cores
    except WorkflowError:  # without --cores, as for a report
        return THREADS


def previous_checkpoint(wildcards):
    if int(wildcards.round) == 1:
        return f"{RUN}/warmup/seed-{wildcards.seed}/checkpoint.pt"
    folder = SEARCH.format(
        method=wildcards.method, seed=wildcards.seed, round=int(wildcards.round) - 1
    )
    return f"{folder}/checkpoint.pt"


def pseudo_label_shards(wildcards, back=0):
    """The shards of a job's round, or of `back` rounds before; none before the first round."""
    number = int(wildcards.round) - back
    if not METHODS[wildcards.method].needs_pseudo_labels or number < 1:
        return []
    folder = SEARCH.format(method=wildcards.method, seed=wildcards.seed, round=number)
    return [
        f"{folder}/pseudo_labels/shard-{shard:03d}.h5"
        for shard in range(SETTINGS.search.shards)
    ]


def first_student_weights(wildcards):
    """The file that the student of a teaching method starts from, if any; later rounds go on from a checkpoint."""
    first = METHODS[wildcards.method].has_student and int(wildcards.round) == 1
    return STUDENT_WEIGHTS if first else []


def of_round(file, number):
    """The given file of a round of a method."""
    folder = SEARCH.replace("{round}", str(number))
    return f"{folder}/{file}"


def last_round(file):
    """The given file of a method's last round."""
    return of_round(file, SETTINGS.search.rounds)


def every_round(file):
    """The given file of all rounds of a method, in their order."""
    return [of_round(file, number) for number in range(1, SETTINGS.search.rounds + 1)]


def initial_supernet():
    """The checkpoint whose weights a retrained network inherits, if it inherits any."""
    return last_round("checkpoint.pt") if SETTINGS.retrain.initial == "supernet" else []


def reachable_range():
    """The file that says that the wanted windows can be met, where there are any.

    Rounds do not wait for it, or another window of the derivation would repeat the search.
    """
    return f"{RUN}/latency/reach.json" if WINDOWS else []


def retrained_guide():
    """The network that is distilled into the searched one, if there is a co-search."""
    guide = f"{RUN}/retrain/{{method}}/seed-{{seed}}/guide.pt"
    return guide if SETTINGS.search.cosearch else []


def matched_genotype(wildcards):
    """Random architectures are drawn at the latency of a searched one of the same seed."""
    match = SETTINGS.search.random_match
    if wildcards.method != "random" or match in ("none", "window"):
        return []
    return f"{RUN}/derive/{match}/seed-{wildcards.seed}/genotype.json"


def compared_candidates(wildcards):
    """Scores of the networks that may be derived; a random one is not chosen by its score."""
    if wildcards.method == "random" or not COMPARES:
        return []
    return rules.candidates.output.candidates.format(**wildcards)


def of_all_networks(*patterns):
    """Files of all methods and seeds, of one pattern after another."""
    return expand(patterns, method=SETTINGS.methods, seed=SETTINGS.seeds)
