"""The benchmarks still run, at the smallest size; what they measure is no matter of tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUNS = [
    (
        "methods.py",
        "--layers 4 --base-width 2 --height 32 --width 64 --passes 1 --threads 1 --student lraspp_mobilenet_v3_large "
        "--student-height 32 --student-width 64 --second-derivative exact",
        "lbt one_step, exact, teacher's side",
    ),
    ("supernet.py", "--layers 4 --base-width 2 --height 32 --width 64 --passes 1 --threads 1", "fused / plain"),
    (
        "latency.py",
        "--layers 4 --base-width 2 --height 32 --width 64 --networks 3 --turns 1 --seconds 0.001 --folder .",
        "Spearman rank correlation",
    ),
    ("start.py", "--rounds 1 --images 40 --repeats 1", "the workflow, nothing to do"),
]


@pytest.mark.parametrize(("script", "arguments", "expected"), RUNS, ids=[run[0] for run in RUNS])
def test_it_prints_its_table(script, arguments, expected, tmp_path):
    command = [sys.executable, ROOT / "tests" / "benchmarks" / script, *arguments.split()]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert expected in result.stdout
