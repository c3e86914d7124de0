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
from lbt.stages.machine import may_have_gpus, require_fit
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
GPUS_HERE = may_have_gpus()


wildcard_constraints:
    method="[a-z][a-z0-9_]*",
    seed=r"\d+",
    round=r"\d+",
    shard=r"\d+",


# The shell command of every rule that runs a stage.
RUN_STAGE = "python -m lbt stage {params.stage:q} --log {log:q} --attempt {resources.attempt} --job {params.job:q}"


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
        try:
            require_fit(stage, SETTINGS, on_gpu=stage in ON_GPU)
        except LbtError as error:
            raise WorkflowError(str(error))
        return Job(
            settings=job_settings(SETTINGS, stage, numbers(wildcards)),
            code=code(wildcards),
            images=images_read(VERSIONS, stage, wildcards.get("method", "")),
            inputs=dict(input.items()),
            outputs=dict(output.items()),
        ).to_json()

    params = {"stage": stage, "settings": settings, "code": code, "job": job}
    return params | ({"images": images_of(stage)} if compares_images(stage) else {})


def processes_of(stage):
    """Processes that run a stage together, each on a GPU of its own if there is one."""
    key = STAGES[stage].gpus
    return 1 if key is None else attrgetter(key)(SETTINGS)


def threads_of(stage):
    return THREADS * processes_of(stage)


ON_GPU = set()


def resources_of(stage, on_gpu=False, measures=False):
    """Resources of a stage's job: its attempt, and its GPUs where there are any, which a cluster reserves.

    Here a job that measures time takes all cores. A cluster gives it a node of its own, where it needs no more than it
    uses.
    """

    def attempt(wildcards, attempt):
        return attempt

    has_gpu = on_gpu and GPUS_HERE and SETTINGS.compute.device != "cpu"
    gpus = {"gpu": processes_of(stage)} if has_gpu else {}
    ON_GPU.update([stage] if has_gpu else [])
    return {"attempt": attempt, **gpus, **({"cpus_per_task": THREADS} if measures else {})}


def whole_machine(wildcards):
    """Threads of a job that measures time: all cores, so that no other job disturbs the clock."""
    try:
        return workflow.cores
    except WorkflowError:  # without --cores, as for a report
        return THREADS
