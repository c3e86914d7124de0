"""The workflow from an empty folder to its tables, and its failures."""

import json
import os
import re
import subprocess
import sys

import h5py
import pytest
from clone import ALWAYS, SOMETIMES, Clone, artefacts, read_csv

from lbt.stages.run import Job
from lbt.views.best_network import find_networks
from lbt.views.tables.terminal import WIDEST, fit_to_width


def test_a_reader_may_close_the_pipe(finished):
    clone, _ = finished
    command = ["bash", "-c", "set -o pipefail; lbt show results/tiny | head -n 1"]
    result = subprocess.run(command, cwd=clone.folder, env=clone.environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "") and result.stdout.startswith("mIoU by method")


def test_the_table_has_a_row_per_method_and_the_constant(finished):
    clone, result = finished
    rows = read_csv(clone.folder / "results/tiny/tables/miou.csv")
    assert [row["method"].split()[0] for row in rows] == ["fasterseg", "lbt", "lpt", "random", "constant"]
    for row in rows[:4]:
        assert 0 <= float(row["supernet_miou"]) <= 1 and 0 <= float(row["retrained_miou"]) <= 1
        assert float(row["latency_ms"]) > 0 and int(row["parameters"]) > 0 and int(row["macs"]) > 0
        assert row["budget"] == rows[0]["budget"]
    assert rows[4]["latency_ms"] == ""
    html = (clone.folder / "results/tiny/tables/miou.html").read_text()
    assert html.count("<tr") == 6 and not re.search("https?:", html)  # opens offline
    shown = result.stdout + result.stderr
    assert "constant (control)" in shown and "miou.html" in shown
    assert fit_to_width((clone.folder / "results/tiny/tables/summary.md").read_text(), WIDEST) in shown
    summary = read_csv(clone.folder / "results/tiny/tables/summary.csv")
    assert [row["retrained_miou_std"] for row in summary] == [""] * 5  # a single seed


def test_artefacts_have_the_documented_paths(finished):
    clone, _ = finished
    run = clone.folder / "results" / "tiny"
    for name in re.findall(r"^\| `([^`]+)`", ALWAYS, re.MULTILINE):
        assert artefacts(run, name), name
    for name in re.findall(r"^\| `([^`]+)`", SOMETIMES, re.MULTILINE):
        assert not artefacts(run, name), name
    with h5py.File(run / "search/lbt/seed-0/round-1/pseudo_labels/shard-001.h5") as shard:
        assert shard["label"].shape == (2, 61, 97)  # every second of five images, at its original size
    assert not list(clone.folder.rglob("*.partial"))


def test_unlabelled_images_have_no_label_and_parts_share_no_group(finished):
    clone, _ = finished
    rows = read_csv(clone.folder / "results/tiny/data/split.csv")
    assert all((row["label"] == "") == (row["role"] == "unlabeled") for row in rows)
    groups = {role: {r["group"] for r in rows if r["role"] == role} for role in ("teacher_train", "teacher_val")}
    assert not groups["teacher_train"] & groups["teacher_val"]


def test_the_best_network_has_a_card_and_a_link(finished):
    run = finished[0].folder / "results" / "tiny"
    best = find_networks(run).best
    assert (run / "best").is_symlink() and (run / "best" / "network.pt").samefile(best.packed)
    assert {path.name for path in (run / "best").iterdir()} == {
        *(".manifest.json", "README.md", "architecture.png", "example.png", "network.pt"),
    }
    command = best.predict_command().replace(f"{finished[0].folder}/", "")
    assert command in (run / "best" / "README.md").read_text()


def test_manifests_list_inputs_and_outputs(finished):
    clone, _ = finished
    folder = clone.folder / "results/tiny/search/lbt/seed-0/round-1"
    manifest = json.loads((folder / ".manifest.json").read_text())
    assert manifest["stage"] == "round" and manifest["settings"]["method"] == "lbt"
    assert "pseudo_labels/probability-000.h5" in manifest["inputs"]
    assert set(manifest["outputs"]) == {"checkpoint.pt", "training_state.pt", "architecture.json", "metrics.csv"}


def test_a_round_repeats_bit_by_bit_in_a_new_process_with_a_worker(finished, tmp_path):
    clone, _ = finished
    run, round_ = "results/tiny", "results/tiny/search/lbt/seed-0/round-1"
    manifest = json.loads((clone.folder / round_ / ".manifest.json").read_text())
    names = {"checkpoint": "checkpoint.pt", "architecture": "architecture.json", "metrics": "metrics.csv"}
    names["state"] = "training_state.pt"
    settings = manifest["settings"]
    settings["compute"]["workers"] = 1
    inputs = {"split": f"{run}/data/split.csv", "table": f"{run}/latency/table.csv"}
    inputs |= {"previous": f"{run}/warmup/seed-0/checkpoint.pt"}
    inputs |= {"student": f"{run}/student_warmup/seed-0/checkpoint.pt"}
    inputs |= {"probabilities": [f"{round_}/pseudo_labels/probability-00{i}.h5" for i in range(2)]}
    outputs = {key: str(tmp_path / name) for key, name in names.items()} | {
        "manifest": str(tmp_path / ".manifest.json")
    }
    job = Job(settings, manifest["code"], manifest["images"], inputs, outputs).to_json()
    command = [sys.executable, "-m", "lbt", "stage", "round", "--job", job, "--log", str(tmp_path / "log.txt")]
    subprocess.run(command, cwd=clone.folder, check=True, capture_output=True)
    for name in ("checkpoint.pt", "training_state.pt", "architecture.json"):
        assert (tmp_path / name).read_bytes() == (clone.folder / round_ / name).read_bytes(), name
    again, first = (read_csv(folder / "metrics.csv") for folder in (tmp_path, clone.folder / round_))
    assert [row | {"seconds": ""} for row in again] == [row | {"seconds": ""} for row in first]


def test_the_terminal_shows_neither_settings_nor_warnings(finished):
    clone, result = finished
    assert not re.search(r"settings.:|CUDA_HOME|[Ww]arning|gpu", result.stderr)
    assert max(map(len, result.stderr.splitlines())) < 400
    jobs = re.findall(r"^ *(\d+) of (\d+)  (\S+) +[\d.]+ s", result.stderr, re.MULTILINE)
    logs = {path.stem for path in (clone.folder / "results" / "tiny" / "logs").glob("*.log")}
    assert sorted(name for *_, name in jobs) == sorted(logs) and {total for _, total, _ in jobs} == {str(len(logs) + 1)}
    assert not re.search(r"^(Job \d|Finished|Execute|Select|Reason|\[)|: step \d", result.stderr, re.MULTILINE)


def test_the_page_of_the_run_tells_that_it_has_finished(finished):
    clone, result = finished
    page = (clone.folder / "results" / "tiny" / "index.html").read_text()
    assert ">finished<" in page and "Best network: " in page and "data:image/webp" in page and "data:image/svg" in page
    assert result.stderr.count("results/tiny/index.html") == 1 and "page:     results/tiny/index.html" in result.stdout
    assert "could not be written" not in result.stderr


def test_nothing_changed_means_nothing_to_do(finished):
    clone, _ = finished
    assert clone.would_rerun() == set()


def test_bad_settings_stop_before_any_job(finished):
    clone, _ = finished
    before = clone.settings
    clone.settings = before | {"serach": {}}
    try:
        result = clone.snakemake()
    finally:
        clone.settings = before
    assert result.returncode != 0
    assert "serach: unknown key; did you mean `search`?" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_broken_shard_stops_the_round_with_its_name(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    clone.settings = clone.settings | {"methods": ["lbt"]}
    folder = clone.folder / "results/tiny/search/lbt/seed-0/round-1"
    shard = folder / "pseudo_labels" / "probability-000.h5"
    whole, times = shard.read_bytes(), shard.stat()
    shard.write_bytes(whole[: len(whole) // 2])
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    result = clone.snakemake("--forcerun", "round", "--until", "round", "--retries", "1")
    text = result.stdout + result.stderr
    assert result.returncode != 0
    failures = [part.split("\n\n")[0] for part in text.split("\nlbt stage: ")[1:]]
    assert len(failures) == 2 and all(len(failure.splitlines()) <= 15 for failure in failures), text
    assert '"settings"' not in text and max(map(len, text.splitlines())) < 400
    assert "probability-000.h5: its content differs from the digest" in text
    assert 'Traceback (most recent call last):\n  File "<frozen runpy>"' not in text
    summary = text[text.index("\n1 job failed.\n") :]
    assert "search-lbt-seed-0-round-1\n  results/tiny/search/lbt/seed-0/round-1/pseudo_labels/" in summary
    assert "log: results/tiny/logs/search-lbt-seed-0-round-1.log" in summary and "--until round" in summary


@pytest.mark.exhaustive
def test_old_weights_are_removed_and_no_round_needs_them(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    search = clone.settings["search"] | {"random_match": "none"}
    clone.settings = clone.settings | {"methods": ["fasterseg"], "search": search | {"rounds": 3}}
    rounds = clone.folder / "results/tiny/search/fasterseg/seed-0"
    last = "results/tiny/search/fasterseg/seed-0/round-3/architecture.json"
    result = clone.snakemake("--", last)  # not --until, with which Snakemake miscounts the rounds
    assert result.returncode == 0, result.stderr[-4000:]
    assert {path.parent.name for path in rounds.glob("*/checkpoint.pt")} == {"round-2", "round-3"}
    assert {path.parent.name for path in rounds.glob("*/architecture.json")} == {"round-1", "round-2", "round-3"}

    scores = "results/tiny/evaluate/fasterseg/seed-0/supernet.json"
    result = clone.snakemake("--", scores)  # reads the last round, after which the one before it is not needed
    assert result.returncode == 0, result.stderr[-4000:]
    for name in ("checkpoint.pt", "training_state.pt"):
        assert {path.parent.name for path in rounds.glob(f"*/{name}")} == {"round-3"}

    assert clone.would_run("--", last, scores) == []
    with clone.changed({"search.keep_every": 1}):
        assert "round" not in clone.would_rerun() | clone.would_rerun("--", last, scores)
    with clone.changed({"search.rounds": 2}):
        assert "round" not in clone.would_rerun("--", last.replace("round-3", "round-2"))
    with clone.changed({"evaluation.batch_size": 3}):
        assert clone.would_rerun("--", last, scores) == {"evaluate_supernet"}
    with clone.changed({"search.rounds": 4}):
        runs = [job for job in clone.would_run() if job.rule == "round"]
    assert [dict(job.wildcards)["round"] for job in runs] == ["4"]


def test_snakemake_finds_nothing_to_lint(finished):
    result = finished[0].snakemake("--lint")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_method_is_one_module_and_one_row(tmp_path):
    """Settings, jobs and documentation list a method that only the table of methods names; a round imports its module.

    A round of such a method is run in tests/search.
    """
    clone = Clone(tmp_path)
    with open(tmp_path / "lbt" / "config" / "methods.py", "a") as table:
        table.write('\nMETHODS["sixth_1"] = MethodFacts(needs_pseudo_labels=True)\n')
    module = "from lbt.search.method import Method\nMETHOD = Method('sixth_1', None)\n"
    (tmp_path / "lbt" / "search" / "methods" / "sixth_1.py").write_text(module)
    clone.settings["methods"], clone.settings["search"]["random_match"] = ["sixth_1"], "sixth_1"
    result = clone.snakemake("--dry-run")
    text = result.stdout + result.stderr
    assert result.returncode == 0, text
    assert "results/tiny/search/sixth_1/seed-0/round-1/pseudo_labels/shard-001.h5" in text
    assert "results/tiny/retrain/sixth_1/seed-0/network.pt" in text
    command = [clone.python, "-m", "lbt.config.docs"]
    page = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "`lpt` or `random` or `sixth_1`" in page
