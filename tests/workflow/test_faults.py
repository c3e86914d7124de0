"""Two runs on one folder, clocks that jump, folders that move: a message, a rerun or nothing, never a wrong result."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from copy import copy

import pytest
from clone import HERE, QuickClone

from lbt.files import digest, sha256


def test_a_second_run_on_a_folder_is_refused(tmp_path):
    clone = QuickClone(tmp_path, HERE / "tiny.yaml")
    python = tmp_path / "bin" / "python"
    python.rename(tmp_path / "bin" / "inner")
    python.write_text('#!/bin/sh\nwhile [ ! -e go ]; do sleep 0.05; done\nexec "$(dirname "$0")/inner" "$@"\n')
    python.chmod(0o755)
    command = [clone.python, "-m", "snakemake", *clone.write_settings(), "--until", "scenes"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=tmp_path, text=True, env=clone.environment, **pipes) as first:
        try:
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob(".snakemake/locks/*")) and time.monotonic() < deadline:
                time.sleep(0.05)
            second = clone.snakemake("--until", "scenes")
        finally:
            (tmp_path / "go").touch()
        output = first.communicate(timeout=60)[0]
    assert second.returncode != 0 and "cannot be locked" in second.stdout + second.stderr
    assert first.returncode == 0, output
    assert clone.snakemake("--until", "scenes").returncode == 0


@pytest.fixture
def moved(finished, tmp_path):
    """The finished run in another place, copied without the times of its files."""
    clone = copy(finished[0])
    clone.folder = shutil.copytree(finished[0].folder, tmp_path / "elsewhere", copy_function=shutil.copy)
    return clone


def test_a_folder_that_moved_with_its_times_reruns_nothing(finished, tmp_path):
    assert finished[0].copy(tmp_path / "elsewhere").would_rerun() == set()


@pytest.mark.exhaustive
def test_a_folder_that_moved_without_times_is_touched_once(moved):
    os.utime(moved.folder / "results" / "tiny" / "warmup" / "seed-0" / "checkpoint.pt")
    assert {"round", "retrain"} <= moved.would_rerun()  # large files are compared by time
    assert moved.snakemake("--touch").returncode == 0
    assert moved.would_rerun() == set()


def check(clone):
    """What `lbt check` says of the results, given the settings of the clone."""
    clone.write_settings()
    command = [sys.executable, "-m", "lbt", "check", "results/tiny"]
    shutil.copy(clone.folder / "tiny.yaml", clone.folder / "results" / "tiny" / "settings.yaml")
    result = subprocess.run(command, cwd=clone.folder, env=clone.environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def forced(text):
    """The options that `lbt check` asks to type."""
    return text[text.index("--forcerun") :].split()


@pytest.mark.exhaustive
def test_results_without_snakemakes_records_are_checked_by_their_manifests(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    shutil.rmtree(clone.folder / ".snakemake")
    assert check(clone) == "results/tiny: nothing is outdated.\n"
    with clone.changed({"retrain.epochs": 2.0}):
        text = check(clone)
        assert "results/tiny/retrain/lbt/seed-0: made with other settings" in text and "warmup" not in text
        again = clone.would_rerun(*forced(text))
    assert again == {"retrain", "evaluate_network", "pack", "tables", "compare", "draw", "cards", "settings"}
    with clone.changed({"methods": ["fasterseg", "lbt"]}):
        assert "/search/" not in check(clone)


def test_a_scene_that_was_changed_ends_the_start(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    image = next((clone.folder / "results" / "data" / "tiny" / "leftImg8bit" / "val").rglob("*.png"))
    image.write_bytes(image.read_bytes() + b"more")
    result = clone.snakemake("--dry-run")
    assert result.returncode != 0 and f"{image.name}: was changed after it was written" in result.stderr + result.stdout


def test_any_times_of_files_lead_to_a_rerun_or_to_nothing(moved):
    draw, now = random.Random(0), time.time()
    for path in sorted((moved.folder / "results").rglob("*")):
        if path.is_file():
            os.utime(path, (now, now + draw.uniform(-1e6, 1e6)))
    assert moved.would_rerun() <= {
        *("check", "split", "label", "round", "derive", "profile", "retrain", "pack", "tables"),
        *(
            "evaluate_supernet",
            "evaluate_network",
            "evaluate_constant",
            "warmup",
            "student_warmup",
            "gallery",
            "compare",
            "draw",
            "cards",
        ),
    }


@pytest.mark.exhaustive
def test_a_stage_that_ran_while_the_clock_was_back_is_named(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    folder = clone.folder / "results" / "tiny" / "warmup" / "seed-0"
    checkpoint, manifest = folder / "checkpoint.pt", folder / ".manifest.json"
    checkpoint.write_bytes(checkpoint.read_bytes() + b"another")
    content = json.loads(manifest.read_text())
    content["outputs"]["checkpoint.pt"] |= {"sha256": sha256(checkpoint)}
    del content["digest"]
    manifest.write_text(json.dumps(content | {"digest": digest(content)}))
    for path in (checkpoint, manifest):
        os.utime(path, (1e9, 1e9))
    assert clone.would_rerun() == set()
    text = check(clone)
    assert "results/tiny/search/lbt/seed-0/round-1/pseudo_labels: made from another checkpoint.pt" in text
    again = clone.would_rerun(*forced(text))
    assert {"label", "round", "derive", "retrain", "tables"} <= again and "warmup" not in again


def test_a_stage_that_lost_its_outputs_runs_again_with_all_that_follows(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    for path in (clone.folder / "results" / "tiny" / "warmup" / "seed-0").iterdir():
        path.unlink()
    assert {"warmup", "label", "round", "derive", "retrain", "tables"} <= clone.would_rerun()
