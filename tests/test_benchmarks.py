"""The benchmarks run at the smallest size; no test checks their measurements."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUNS = [
    (
        "methods.py",
        "--layers 4 --base-width 2 --height 32 --width 64 --passes 1 --threads 1 --student lraspp_mobilenet_v3_large "
        "--student-height 32 --student-width 64",
        "lbt one_step, teacher's side",
    ),
    ("supernet.py", "--layers 4 --base-width 2 --height 32 --width 64 --passes 1 --threads 1", "fused / plain"),
    (
        "latency.py",
        "--layers 4 --base-width 2 --height 32 --width 64 --networks 3 --turns 1 --seconds 0.001 --folder .",
        "Spearman rank correlation",
    ),
    (
        "overhead.py",
        f"--cores 1 --configfile {ROOT}/tests/workflow/tiny.yaml --until check",
        "overhead (starts and Snakemake)",
    ),
    ("start.py", "--rounds 1 --images 40 --repeats 1", "the workflow, nothing to do"),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("script", "arguments", "expected"), RUNS, ids=[run[0] for run in RUNS])
def test_a_benchmark_prints_its_table(script, arguments, expected, tmp_path):
    command = [sys.executable, ROOT / "tests" / "benchmarks" / script, *arguments.split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert expected in result.stdout


def test_the_parts_of_a_run_are_those_of_its_jobs():
    """Two cores, 20 s: a job of one core, then nothing, then one that holds both cores."""
    overhead = runpy.run_path(str(ROOT / "tests" / "benchmarks" / "overhead.py"))
    job = overhead["Job"]
    jobs = [job("latency", 12, 13, 15, 16, 2), job("split", 4, 5, 8, 9, 1)]
    lines = overhead["report"](20, 2, jobs).splitlines()
    values = {line.split()[0]: line.split()[1] for line in lines[1:-1]}
    # no job before 4, between 9 and 12, after 16; one core is idle while the first job runs
    assert values == {"work": "7", "starts": "6", "Snakemake": "22", "idle": "5"}
    assert lines[-1] == "overhead (starts and Snakemake): 70.0% of the run's time"
