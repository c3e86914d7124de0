"""The benchmarks run at the smallest size; no test checks their measurements."""

import csv
import itertools
import math
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from stage_calls import call_stage

from lbt.config.unread import select_read
from lbt.network.genotype import read_genotype

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
        "--layers 4 --base-width 2 --height 32 --width 64 --networks 3 --turns 1 --seconds 0.001 --folder . "
        "--precision bfloat16 --processor-time",
        "Spearman rank correlation",
    ),
    (
        "overhead.py",
        f"--cores 1 --configfile {ROOT}/tests/workflow/tiny.yaml --until check",
        "overhead (starts and Snakemake)",
    ),
    ("loader.py", "--height 64 --width 128 --images 8 --turns 1", "scenes: training, images kept"),
    ("labelling.py", "--images 4 --height 64 --width 128 --turns 1 --base-width 2", "passes with classes"),
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


RANKING = runpy.run_path(str(ROOT / "tests" / "benchmarks" / "ranking.py"))


def tau_of_pairs(x, y):
    """Kendall's tau-b by its definition: every pair is concordant, discordant or tied in x, in y or in both."""
    concordant = discordant = tied_x = tied_y = 0
    for (a, b), (c, d) in itertools.combinations(zip(x, y, strict=True), 2):
        if a == c and b == d:
            continue
        if a == c:
            tied_x += 1
        elif b == d:
            tied_y += 1
        elif (a < c) == (b < d):
            concordant += 1
        else:
            discordant += 1
    untied = (concordant + discordant + tied_y) * (concordant + discordant + tied_x)
    return (concordant - discordant) / math.sqrt(untied) if untied else math.nan


def test_tau_counts_pairs_and_corrects_for_ties():
    tau, draws = RANKING["kendall_tau_b"], np.random.default_rng(0)
    x, y = draws.integers(6, size=(40, 12)), draws.integers(6, size=(40, 12))
    found = tau(x.astype(float), y.astype(float))
    assert found.tolist() == pytest.approx([tau_of_pairs(*rows) for rows in zip(x.tolist(), y.tolist(), strict=True)])
    assert tau(np.arange(5.0), np.arange(5.0) ** 3) == 1 and tau(np.arange(5.0), -np.arange(5.0)) == -1
    assert math.isnan(tau(np.ones(5), np.arange(5.0)))
    # five concordant pairs, and one that is tied in y
    assert tau(np.array([1.0, 2, 3, 4]), np.array([1.0, 2, 2, 3])) == pytest.approx(5 / math.sqrt(6 * 5))


def test_the_interval_is_that_of_plain_resampling():
    interval, draws = RANKING["bootstrap_interval"], np.random.default_rng(1)
    x = draws.normal(size=12)
    y = x + draws.normal(size=12)
    taus = []
    for _ in range(2000):
        chosen = draws.integers(12, size=12)
        taus.append(tau_of_pairs(x[chosen].tolist(), y[chosen].tolist()))
    found = interval(x, y, 0, 4000)
    assert found == pytest.approx(np.percentile(taus, [2.5, 97.5]), abs=0.05)
    assert found == interval(x, y, 0, 4000) != interval(x, y, 1, 4000)
    assert interval(x, 2 * x, 0) == (1, 1)
    assert interval(np.array([0.0, 1.0]), np.array([0.0, 1.0]), 0) == (1, 1)  # half of the resamples have no tau


def test_networks_are_distinct_and_more_begin_with_fewer(tiny):
    draw = RANKING["draw_networks"]
    few, many = draw(tiny.settings, 0, 5), draw(tiny.settings, 0, 30)
    assert many[:5] == few and len({str(genotype) for genotype in many}) == 30 and draw(tiny.settings, 1, 5) != few


def finished_run(tiny, folder):
    """A run whose search ended with the supernet of the warm-up."""
    last = folder / "search" / "lbt" / "seed-0" / "round-1"
    last.mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "settings.yaml").write_text(yaml.safe_dump(select_read(tiny.settings)))
    shutil.copy(tiny.split, folder / "data" / "split.csv")
    shutil.copy(tiny.class_pixels, folder / "data" / "class_pixels.csv")
    shutil.copy(tiny.warmup, last / "checkpoint.pt")
    return folder


def rank(run, folder, *options):
    command = [sys.executable, ROOT / "tests" / "benchmarks" / "ranking.py", run, folder, *map(str, options)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    table = folder / "networks.csv"
    return result, list(csv.DictReader(table.read_text().splitlines())) if table.exists() else []


@pytest.mark.exhaustive
def test_networks_of_a_finished_run_are_ranked_and_added_to(tiny, tmp_path):
    run, folder = finished_run(tiny, tmp_path / "run"), tmp_path / "ranking"
    result, rows = rank(run, folder, "--networks", 3, "--epochs", 0.5)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "3 networks: Kendall's tau-b of supernet and retrained mIoU" in result.stdout
    assert [row["network"] for row in rows] == ["0", "1", "2"]
    assert all(0 <= float(row[name]) <= 1 for row in rows for name in ("supernet_miou", "retrained_miou"))

    # as an interrupted run leaves it: two networks are finished
    lines = (folder / "networks.csv").read_text().splitlines(keepends=True)
    (folder / "networks.csv").write_text("".join(lines[:3]))
    result, again = rank(run, folder, "--networks", 4, "--epochs", 0.5)
    assert again[:3] == rows and len(again) == 4
    assert "network_2 seed-0" in result.stderr and "network_1 seed-0" not in result.stderr

    # the same scores as those of the stages
    genotype = read_genotype(folder / "network-003.json", tiny.settings.space)
    assert again[3]["branches"] == "+".join(str(branch.scale) for branch in genotype.branches)
    retrain = tiny.settings.retrain.model_copy(update={"epochs": 0.5})
    files = {"split": tiny.split, "network": tmp_path / "network.pt"}
    call_stage(
        "retrain",
        tiny.settings,
        retrain=retrain,
        genotype=folder / "network-003.json",
        class_pixels=tiny.class_pixels,
        metrics=tmp_path / "m.csv",
        **files,
    )
    names = {"scores": "scores.json", "images": "images.csv", "pictures": "a", "predictions": "b"}
    places = {name: tmp_path / file for name, file in names.items()}
    call_stage("evaluate_network", tiny.settings, **files, **places)
    assert yaml.safe_load(places["scores"].read_text())["miou"] == pytest.approx(float(again[3]["retrained_miou"]))

    result, _ = rank(run, folder, "--networks", 4, "--epochs", 1)
    assert result.returncode == 1 and "scores of another supernet or of other settings" in result.stderr
