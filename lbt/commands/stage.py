"""`lbt stage NAME ...`: one job of a stage, as the workflow runs it."""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

from lbt.stages.job_log import note_end
from lbt.stages.job_message import describe_job, leave_message, refuse_repetition
from lbt.stages.run import Job, run_job
from lbt.stages.table import STAGES

HELP = "run one stage (the workflow calls this)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's name, its job, its log and the number of the attempt."""
    parser.epilog = "stages:\n" + "\n".join(f"  {name:18} {stage.help}" for name, stage in STAGES.items())
    parser.add_argument("name", choices=STAGES, metavar="NAME", help="name of the stage, see below")
    parser.add_argument("--log", type=Path, required=True, help="file for plain progress lines")
    parser.add_argument(
        "--attempt",
        type=int,
        default=1,
        metavar="N",
        help="number of the attempt; a retry ends at once if settings or data made the job fail before (1)",
    )
    parser.add_argument(
        "--job", required=True, metavar="JSON", help="settings, fingerprint of the code, inputs and outputs"
    )


def run(options: argparse.Namespace) -> None:
    """Run the stage and write its manifest."""
    # PyTorch warns of what torchvision does, at each job
    warnings.filterwarnings("ignore", "`torch.jit.script", FutureWarning)
    job = describe_job(options.job)
    if options.attempt > 1:
        refuse_repetition(options.log, job)
    started = time.monotonic()
    with leave_message(options.log, job, options.name):
        run_job(options.name, Job(**json.loads(options.job)), options.log)
        note_end(options.log, options.name, time.monotonic() - started)
