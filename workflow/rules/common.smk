# Settings and helpers that all rules share.
import os
import shlex
import signal
import sys
from functools import cache
from operator import attrgetter
from pathlib import Path

ROOT = Path(workflow.basedir).parent
sys.path.insert(0, str(ROOT))
# Slurm sends its warning before the time limit to every process of a job. Only a loop that saves its state handles
# it; the Snakemake and the shell that the stage runs in ignore it.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def without_wildcards(text):
    """The text for Snakemake, which takes braces for wildcards."""
    return text.replace("{", "{{").replace("}", "}}")


# Jobs import the package from this clone, whatever its folder is called.
shell.prefix(
    "set -euo pipefail; trap '' USR1; "
    f"export PYTHONPATH={without_wildcards(shlex.quote(str(ROOT)))}; "
)
ENVIRONMENT = without_wildcards(str(ROOT / "environment.yml"))

from snakemake.exceptions import WorkflowError

from lbt.config.baselines import BASELINES
from lbt.config.methods import METHODS
from lbt.config.read import parse_settings, read_configuration
from lbt.config.retrain import BALANCED_LOSSES
from lbt.config.sources import refuse_repeated
from lbt.errors import LbtError
from lbt.files import canonical_json
from lbt.stages.machine import may_have_gpus, require_fit
from lbt.stages.run import Job
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import describe_present, job_settings
from lbt.views.report_page import collect_facts


include: "private.smk"


if not config:
    raise WorkflowError(
        "There are no settings: name a file with --configfile, or keep workflow/profiles/default, which names one."
    )
# The files are read again, as `lbt check` reads them: Snakemake keeps neither lines nor keys that are given twice.
SOURCES = sources_of_settings()
try:
    refuse_repeated(sys.argv)
    if SOURCES is None:
        SETTINGS = parse_settings(config, "the configuration")
    else:
        SETTINGS = read_configuration(*SOURCES).settings
except LbtError as error:
    raise WorkflowError(str(error))

RUN = f"results/{SETTINGS.run}"
# For the first page of `snakemake --report`, which sees nothing else.
config["facts"] = collect_facts(SETTINGS, Path(RUN, "index.html"))
LOGS = Path(RUN, "logs")
COMMAND = shlex.join(["snakemake", *sys.argv[1:]])
THREADS = SETTINGS.compute.threads
GPUS_HERE = may_have_gpus()


wildcard_constraints:
    method="[a-z][a-z0-9_]*",
    seed=r"\d+",
    round=r"\d+",
    shard=r"\d+",
    job=r"\d+",


# The shell command of every rule that runs a stage.
RUN_STAGE = "python -m lbt stage {params.stage:q} --log {log:q} --attempt {resources.attempt} --job {params.job:q}"


def params_of(stage):
    """The parameters of a rule that runs a stage.

    Snakemake compares the settings, the fingerprint of the code and the versions of the images with those of the last
    run. It does not compare `job`, because that is a function of input and output too. It holds the values for the
    command line: all settings, and the named files of the rule; a file without a name only orders jobs.
    """

    @cache
    def present(items):
        return describe_present(SETTINGS, VERSIONS, stage, dict(items))

    def compared(name):
        return lambda wildcards: canonical_json(present(tuple(wildcards.items()))[name])

    def job(wildcards, input, output):
        try:
            require_fit(stage, SETTINGS, on_gpu=on_gpu(stage))
        except LbtError as error:
            raise WorkflowError(str(error))
        whole = {"settings": job_settings(SETTINGS, stage, wildcards)}
        files = {"inputs": dict(input.items()), "outputs": dict(output.items())}
        return Job(**present(tuple(wildcards.items())) | whole | files).to_json()

    seen = {name: compared(name) for name in ("settings", "code", "images")}
    return {"stage": stage, "job": job, **seen}


def processes_of(stage):
    """Processes that run a stage together, each on a GPU of its own if there is one."""
    key = STAGES[stage].gpus
    return 1 if key is None else attrgetter(key)(SETTINGS)


def threads_of(stage):
    return THREADS * processes_of(stage)


def on_gpu(stage):
    """Whether the stage's jobs run on a GPU in this run."""
    return STAGES[stage].on_gpu and GPUS_HERE and SETTINGS.compute.device != "cpu"


def resources_of(stage):
    """Resources of a stage's job: its attempt, and its GPUs where there are any.

    A cluster reserves the GPUs; here the job takes free ones, and the profile counts them. Here a job that measures
    time takes all cores. A cluster gives it a node of its own, where it needs no more than it uses.
    """
    gpus = {"gpu": processes_of(stage)} if on_gpu(stage) else {}
    cpus = {"cpus_per_task": THREADS} if STAGES[stage].measures else {}
    return {"attempt": lambda wildcards, attempt: attempt, **gpus, **cpus}


def whole_machine(wildcards):
    """Threads of a job that measures time: all cores, so that no other job disturbs the clock."""
    try:
        return workflow.cores
    except WorkflowError:  # without --cores, as for a report
        return THREADS
