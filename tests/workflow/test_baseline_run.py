"""Baselines that are added to a finished run: they alone are trained, and every table and page shows them."""

import os
import shutil
import subprocess

import pytest
from clone import PYTHON, read_csv

from lbt.views.best_network import find_networks

NAMES = ("fast_scnn", "fasterseg_released")


def digest_of(run, *patterns):
    return {path: path.stat().st_mtime_ns for pattern in patterns for path in run.glob(pattern)}


@pytest.mark.exhaustive
def test_added_baselines_are_trained_and_shown_and_nothing_else_is_trained(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    run = clone.folder / "results" / "tiny"
    trained = ("search/**/checkpoint.pt", "retrain/*/*/network.pt", "networks/*/network.pt", "latency/table.csv")
    before, best = digest_of(run, *trained), (run / "best").resolve().name
    clone.settings = clone.settings | {"baselines": list(NAMES)}
    planned = clone.would_run()
    of_one = ("retrain", "evaluate_network", "profile", "pack")
    shared = {"tables", "compare", "draw", "cards", "settings"}
    assert sorted(job.rule for job in planned if job.rule not in shared) == sorted(of_one * 2)
    assert {job.scalars["method"] for job in planned if job.rule in of_one} == set(NAMES)
    result = clone.snakemake()
    assert result.returncode == 0, result.stderr[-4000:]
    assert clone.would_run() == []
    after = digest_of(run, *trained)
    assert {path: after[path] for path in before} == before
    assert {path.parts[-3] for path in after.keys() - before.keys()} == {*NAMES, "networks"}

    rows = {row["method"]: row for row in read_csv(run / "tables" / "miou.csv")}
    for name in NAMES:
        assert rows[name]["supernet_miou"] == rows[name]["predicted_ms"] == "" and float(rows[name]["latency_ms"]) > 0
        assert rows[name]["budget"].startswith("retrain ")
        assert {path.name for path in (run / "networks" / f"{name}-seed-0").iterdir()} == {
            *(".manifest.json", "README.md", "example.png", "network.pt")
        }
        for page in ("tables/summary.md", "index.html"):
            assert f"{name} (not searched)" in (run / page).read_text().replace("\\", "")
        assert (run / "figures" / name / "seed-0" / "confusion.png").is_file()
        assert not (run / "figures" / name / "seed-0" / "network.png").exists()
        assert f"{name} (not searched)" in (run / "figures" / "accuracy-latency.svg").read_text()
    assert (run / "best").resolve().name == best and find_networks(run).best.method not in NAMES

    twin = shutil.copytree(run, run.with_name("twin"), symlinks=True)
    for words in (("status", run), ("show", run), ("check", run), ("compare", run, twin)):
        command = [PYTHON, "-m", "lbt", *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(clone.folder)}
        done = subprocess.run(command, cwd=clone.folder, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        mark = ", seed 0 (not searched)" if words[0] == "status" else " (not searched)"
        assert words[0] == "check" or all(f"{name}{mark}" in done.stdout for name in NAMES), done.stdout

    clone.settings = clone.settings | {"baselines": []}
    assert clone.would_rerun() == shared
