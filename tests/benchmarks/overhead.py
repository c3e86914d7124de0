"""The share of a run's time that Snakemake and the starts of the jobs' processes take.

Runs a configuration in a copy of the project. For every job it records the start of the process, the start of the
stage (PyTorch is imported by then), the end of the stage and the end of the process. Wall time times cores is divided
into

* work: cores of a job between start and end of its stage,
* starts: cores of a job at other times,
* Snakemake: all cores while no job exists,
* idle: cores without a job while another job runs.

    python tests/benchmarks/overhead.py --cores 2 --configfile config/config.yaml
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import time

ROOT = Path(__file__).resolve().parents[2]
CLONED = ("workflow", "lbt", "config", "slurm", "environment.yml")
ON_ALL_CORES = ("latency", "profile")
# Replaces `python` in the jobs: the same program, which also records the times.
JOB = """#!{python}
import functools, importlib, json, os, sys, time
born = time.time()
sys.argv = sys.argv[3:]
assert sys.argv[0] == "stage"
from lbt.__main__ import main
from lbt.stages.table import STAGES
module = importlib.import_module(STAGES[sys.argv[1]].module)
work = module.run
@functools.wraps(work)
def timed(*arguments, **keywords):
    begin = time.time()
    try:
        return work(*arguments, **keywords)
    finally:
        times.update(begin=begin, end=time.time())
times, module.run = {{}}, timed
code = main(sys.argv)
times.update(stage=sys.argv[1], born=born, gone=time.time())
with open({notes!r}, "a") as file:
    file.write(json.dumps(times) + "\\n")
sys.stdout.flush()
os._exit(code)
"""


@dataclass(frozen=True)
class Job:
    """A job's times in seconds since 1970, and the cores that it holds."""

    stage: str
    born: float
    begin: float
    end: float
    gone: float
    cores: int


def run(cores: int, configfile: Path, arguments: list[str], folder: Path) -> tuple[float, list[Job]]:
    """Wall time in seconds of a run from an empty folder, and its jobs."""
    for name in CLONED:
        take = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        take(ROOT / name, folder / name)
    notes, program = folder / "notes.jsonl", folder / "bin" / "python"
    program.parent.mkdir()
    program.write_text(JOB.format(python=sys.executable, notes=str(notes)))
    program.chmod(0o755)
    path = os.pathsep.join((str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PATH": path}
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", str(configfile.resolve())]
    started = time()
    subprocess.run([*command, *arguments], cwd=folder, env=environment, check=True)
    seconds = time() - started
    jobs = []
    for line in notes.read_text().splitlines():
        note = json.loads(line)
        jobs.append(Job(**note, cores=cores if note["stage"] in ON_ALL_CORES else 1))
    return seconds, jobs


def without_jobs(jobs: list[Job]) -> float:
    """Seconds without a job between the start of the first job and the end of the last."""
    empty, until = 0.0, min(job.born for job in jobs)
    for job in sorted(jobs, key=lambda job: job.born):
        empty += max(0.0, job.born - until)
        until = max(until, job.gone)
    return empty


def report(seconds: float, cores: int, jobs: list[Job]) -> str:
    """Wall time times cores, divided into its parts, as a table."""
    whole = seconds * cores
    work = sum(job.cores * (job.end - job.begin) for job in jobs)
    lives = sum(job.cores * (job.gone - job.born) for job in jobs)
    span = max(job.gone for job in jobs) - min(job.born for job in jobs)
    snakemake = cores * (seconds - span + without_jobs(jobs))
    parts = {"work": work, "starts": lives - work, "Snakemake": snakemake, "idle": whole - lives - snakemake}
    lines = [f"{len(jobs)} jobs, {seconds:.0f} s on {cores} cores"]
    lines += [f"{name:10} {value:8.0f} core-seconds {value / whole:6.1%}" for name, value in parts.items()]
    overhead = (parts["starts"] + parts["Snakemake"]) / whole
    return "\n".join([*lines, f"overhead (starts and Snakemake): {overhead:.1%} of the run's time"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    parser.add_argument("--configfile", type=Path, default=ROOT / "config" / "config.yaml")
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, jobs = run(options.cores, options.configfile, arguments, Path(folder))
    print(report(seconds, options.cores, jobs))


if __name__ == "__main__":
    main()
