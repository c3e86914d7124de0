"""`python -m lbt stage NAME ...`: one job of a stage, as the workflow runs it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lbt.stages.failure_summary import leave_message
from lbt.stages.run import Job, run_job
from lbt.stages.table import STAGES

HELP = "run one stage (the workflow calls this)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's name, its job and its log."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "stages:\n" + "\n".join(f"  {name:18} {stage.help}" for name, stage in STAGES.items())
    parser.add_argument("name", choices=STAGES, metavar="NAME", help="name of the stage, see below")
    parser.add_argument(
        "--job", required=True, metavar="JSON", help="settings, fingerprint of the code, inputs and outputs"
    )
    parser.add_argument("--log", type=Path, required=True, help="file for plain progress lines")


def run(options: argparse.Namespace) -> None:
    """Run the stage and write its manifest."""
    with leave_message(options.log):
        run_job(options.name, Job(**json.loads(options.job)), options.log)
