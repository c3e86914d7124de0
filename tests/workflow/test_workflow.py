"""The workflow from a bare folder to its table, what reruns after a change, and how it fails."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from copy import copy
from pathlib import Path

import h5py
import pytest
import torch
import yaml
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from lbt.artifacts import canonical_json

ROOT = Path(__file__).resolve().parents[2]
CLONED = ("workflow", "lbt", "config", "slurm", "environment.yml")


class Clone:
    """A copy of the project's files in an empty folder, without an installed package."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in CLONED:
            source = ROOT / name
            take = shutil.copytree if source.is_dir() else shutil.copy
            take(source, folder / name)
        self.settings = yaml.safe_load((ROOT / "tests" / "workflow" / "tiny.yaml").read_text())

    def copy(self, folder: Path) -> "Clone":
        """The same files and results, and Snakemake's records of them, in a new folder."""
        twin = copy(self)
        twin.folder = shutil.copytree(self.folder, folder)
        return twin

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(self.settings))
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml", *arguments]
        # rules call `python`: the one that runs the tests
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "OMP_NUM_THREADS": "1"}
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, check=False)

    def would_rerun(self) -> set[str]:
        result = self.snakemake("--dry-run", "--quiet", "reason")
        assert result.returncode == 0, result.stderr + result.stdout
        text = result.stdout + result.stderr
        return set(re.findall(r"^(?:local)?rule (\w+):", text, re.MULTILINE)) - {"all"}


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    clone = Clone(tmp_path_factory.mktemp("clone"))
    result = clone.snakemake()
    assert result.returncode == 0, result.stderr[-4000:]
    return clone, result


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
    assert html.count("<tr") == 6 and "http" not in html  # opens offline
    assert "constant (" in result.stdout + result.stderr and "miou.html" in result.stdout + result.stderr


ALWAYS, SOMETIMES = (ROOT / "results" / "README.md").read_text().split("## Only with some settings")


def artefacts(run: Path, name: str) -> list[Path]:
    """The files of a run that an artefact's name in the documentation stands for."""
    pattern = name.replace("search/...", "search/*/seed-*/round-*").replace("search/lbt/...", "search/lbt/*/round-*")
    return list(run.glob(re.sub(r"<\w+>", "*", pattern)))


def test_artefacts_lie_where_the_documentation_says(finished):
    clone, _ = finished
    run = clone.folder / "results" / "tiny"
    for name in re.findall(r"^\| `([^`]+)`", ALWAYS, re.MULTILINE):
        assert artefacts(run, name), name
    for name in re.findall(r"^\| `([^`]+)`", SOMETIMES, re.MULTILINE):
        assert not artefacts(run, name), name
    with h5py.File(run / "search/lbt/seed-0/round-1/pseudo_labels/shard-001.h5") as shard:
        assert shard["label"].shape == (2, 61, 97)  # every second of five images, at their own size
    assert not list(clone.folder.rglob("*.partial"))


def test_unlabelled_images_have_no_label_and_parts_share_no_group(finished):
    clone, _ = finished
    rows = read_csv(clone.folder / "results/tiny/data/split.csv")
    assert all((row["label"] == "") == (row["role"] == "unlabeled") for row in rows)
    groups = {role: {r["group"] for r in rows if r["role"] == role} for role in ("teacher_train", "teacher_val")}
    assert not groups["teacher_train"] & groups["teacher_val"]


def test_manifests_name_what_was_read(finished):
    clone, _ = finished
    folder = clone.folder / "results/tiny/search/lbt/seed-0/round-1"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["stage"] == "round" and manifest["settings"]["method"] == "lbt"
    assert "pseudo_labels/shard-000.h5" in manifest["inputs"]
    assert set(manifest["outputs"]) == {"checkpoint.pt", "architecture.json", "metrics.csv"}


def test_a_round_repeats_bit_by_bit_with_any_number_of_workers(finished, tmp_path):
    clone, _ = finished
    run, round_ = "results/tiny", "results/tiny/search/lbt/seed-0/round-1"
    manifest = json.loads((clone.folder / round_ / "manifest.json").read_text())
    names = {"checkpoint": "checkpoint.pt", "architecture": "architecture.json", "metrics": "metrics.csv"}
    command = [sys.executable, "-m", "lbt", "stage", "round", "--settings", canonical_json(manifest["settings"])]
    command += ["--code", manifest["code"], "--log", str(tmp_path / "log.txt"), "--untracked", "compute.workers=2"]
    command += ["--several", "shards", *(f"{round_}/pseudo_labels/shard-00{i}.h5" for i in range(2))]
    command += ["--inputs", f"split={run}/data/split.csv", f"table={run}/latency/table.csv"]
    command += [f"previous={run}/warmup/seed-0/checkpoint.pt", "--outputs"]
    command += [f"{key}={tmp_path / name}" for key, name in names.items()]
    subprocess.run(command, cwd=clone.folder, check=True, capture_output=True)
    for name in ("checkpoint.pt", "architecture.json"):
        assert (tmp_path / name).read_bytes() == (clone.folder / round_ / name).read_bytes(), name
    again, first = (read_csv(folder / "metrics.csv") for folder in (tmp_path, clone.folder / round_))
    assert [row | {"seconds": ""} for row in again] == [row | {"seconds": ""} for row in first]


def test_nothing_changed_means_nothing_to_do(finished):
    clone, _ = finished
    assert clone.would_rerun() == set()


RETRAINED = {"retrain", "evaluate_network", "pack", "tables"}
DERIVED = {"derive", "profile", *RETRAINED}
SEARCHED = {"label", "round", "evaluate_supernet", *DERIVED}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (("retrain", "epochs"), 2, RETRAINED),
        (("retrain", "batch_size"), 3, RETRAINED),
        (("search", "shards"), 1, SEARCHED),
        (("evaluation", "pictures"), 2, {"evaluate_network", "pack", "tables"}),
        (("warmup", "epochs"), 1, {"warmup", *SEARCHED}),
        (("search", "rounds"), 2, SEARCHED),
        (("search", "random_tolerance"), 0.6, DERIVED),
        (("compute", "workers"), 2, set()),
        (("latency", "profile_runs"), 6, {"profile", "pack", "tables"}),
        (("latency", "input_size"), [64, 96], {"latency", *SEARCHED} - {"label"}),
    ],
    ids=lambda v: ".".join(v) if isinstance(v, tuple) else "",
)
def test_a_changed_setting_reruns_the_stages_that_read_it(finished, key, value, expected):
    clone, _ = finished
    section, name = key
    before = clone.settings
    clone.settings = before | {section: before[section] | {name: value}}
    try:
        assert clone.would_rerun() == expected
    finally:
        clone.settings = before


def test_more_rounds_continue_from_the_last(finished):
    clone, _ = finished
    before = clone.settings
    clone.settings = before | {"search": before["search"] | {"rounds": 2}}
    try:
        text = clone.snakemake("--dry-run").stdout
    finally:
        clone.settings = before
    rounds = set(re.findall(r"output: results/tiny/search/\w+/seed-0/(round-\d)/checkpoint.pt", text))
    assert rounds == {"round-2"}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        ("lbt/training.py", "(1 - step / steps)", "(1.0 - step / steps)", RETRAINED),
        ("lbt/training.py", "    optimizer = sgd(", "    # a comment\n    optimizer = sgd(", set()),
        ("lbt/search/methods/lbt.py", "in_weights = context", "in_weights: bool = context", "search"),
    ],
    ids=["code", "comment", "one method"],
)
def test_changed_code_reruns_the_stages_that_import_it(finished, file, old, new, expected):
    clone, _ = finished
    path = clone.folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    try:
        if expected == "search":
            dry = clone.snakemake("--dry-run").stdout
            assert set(re.findall(r"output: results/tiny/search/(\w+)/seed-0/round-1/checkpoint", dry)) == {"lbt"}
        else:
            assert clone.would_rerun() == expected
    finally:
        path.write_text(text)


def test_networks_are_scored_where_the_settings_compare_them(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    clone.settings = clone.settings | {"derivation": {"rule": "search", "images": 2}}
    text = clone.snakemake("--dry-run").stdout
    assert set(re.findall(r"^rule (\w+):", text, re.MULTILINE)) - {"all"} == {"candidates", *DERIVED}
    scored = set(re.findall(r"output: results/tiny/derive/(\w+)/seed-0/candidates.csv", text))
    assert scored == {"fasterseg", "lbt", "lpt"}  # a random network is not chosen by its score

    clone.settings["derivation"]["fps"] = [1.0, 1.0e6]
    assert clone.would_rerun() == {"reach", "candidates", *DERIVED}
    clone.settings["derivation"]["fps"] = [1.0e6, 2.0e6]
    result = clone.snakemake("--until", "candidates")
    assert result.returncode != 0 and "rule candidates" not in result.stdout + result.stderr
    assert "derivation.fps: no architecture of the space runs at" in result.stdout + result.stderr
    del clone.settings["derivation"]["fps"]

    space = clone.settings["space"] | {"branches": "best"}
    clone.settings = clone.settings | {"methods": ["fasterseg"], "space": space}
    result = clone.snakemake("--until", "derive")
    assert result.returncode == 0, result.stderr[-4000:]
    folder = clone.folder / "results/tiny/derive/fasterseg/seed-0"
    rows = read_csv(folder / "candidates.csv")
    assert [row["branches"] for row in rows] == ["16+32", "8+32"]  # the only paths through four layers
    best = max(rows, key=lambda row: float(row["objective"]))
    branches = json.loads((folder / "genotype.json").read_text())["branches"]
    assert "+".join(str(branch["scale"]) for branch in reversed(branches)) == best["branches"]
    assert "candidates.csv" in json.loads((folder / "manifest.json").read_text())["inputs"]
    assert "candidates.csv" in json.loads((folder / "manifest-candidates.json").read_text())["outputs"]


def test_a_co_search_with_a_window_and_inherited_weights(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    search = clone.settings["search"] | {"cosearch": True, "fps": [1.0, 1.0e6], "random_match": "window"}
    retrain = clone.settings["retrain"] | {"initial": "supernet"}
    clone.settings = clone.settings | {"methods": ["fasterseg", "random"], "search": search, "retrain": retrain}
    result = clone.snakemake("--until", "retrain")
    assert result.returncode == 0, result.stderr[-4000:]
    assert "rule warmup" not in result.stdout + result.stderr

    run = clone.folder / "results" / "tiny"
    reach = json.loads((run / "latency" / "reach.json").read_text())
    assert reach["windows"] == {"search.fps": [1.0, 1.0e6]} and 0 < reach["least_ms"] < reach["greatest_ms"]
    names = re.findall(r"^\| `([^`]+)` \| `search\.cosearch`", SOMETIMES, re.MULTILINE)
    assert names and all(len(artefacts(run, name)) == len(clone.settings["methods"]) for name in names)
    for method in clone.settings["methods"]:
        round_ = run / "search" / method / "seed-0" / "round-1"
        assert {"guide_loss", "latency_weight", "fps"} <= set(read_csv(round_ / "metrics.csv")[0])
        genotype = json.loads((run / "derive" / method / "seed-0" / "guide.json").read_text())
        for branch in genotype["branches"]:
            assert [cell["width_twelfths"] for cell in branch["cells"]] == [12, 12, 12, 8]  # 4 layers
        folder = run / "retrain" / method / "seed-0"
        supernet, taught = f"../../../search/{method}/seed-0/round-1/checkpoint.pt", {"distillation_loss"}
        columns = {name: set(read_csv(folder / name)[0]) for name in ("metrics.csv", "guide-metrics.csv")}
        assert columns["metrics.csv"] - columns["guide-metrics.csv"] == taught
        read = {
            name: json.loads((folder / f"{name}.json").read_text())["inputs"] for name in ("manifest", "manifest-guide")
        }
        assert supernet in read["manifest"] and supernet in read["manifest-guide"]
        assert "guide.pt" in read["manifest"] and "guide.pt" not in read["manifest-guide"]

    clone.settings = clone.settings | {"derivation": {"rule": "search", "fps": [2.0, 1.0e6]}}
    again = clone.would_rerun()
    assert {"reach", "candidates", "derive"} <= again and "round" not in again  # another window, the same search


def test_a_file_of_student_weights_is_an_input_of_the_first_round(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    search = clone.settings["search"]
    search = search | {"rounds": 2, "student": search["student"] | {"weights": "student.pth"}}
    clone.settings = clone.settings | {"search": search}
    result = clone.snakemake()  # the first round of other weights is there
    assert result.returncode != 0
    assert "search.student.weights: student.pth: is missing" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr

    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=6)
    torch.save(network.state_dict(), clone.folder / "student.pth")
    text = clone.snakemake("--dry-run").stdout
    readers = re.findall(r"input: .*student\.pth.*\n +output: results/tiny/search/(\w+)/seed-0/(round-\d)/", text)
    assert sorted(readers) == [("lbt", "round-1"), ("lpt", "round-1")]
    assert len(re.findall(r"input: .*student\.pth", text)) == 2

    clone.settings = clone.settings | {"methods": ["lbt"], "search": search | {"rounds": 1}}
    assert clone.snakemake("--until", "round").returncode == 0
    assert "round" not in clone.would_rerun()
    torch.save(network.half().state_dict(), clone.folder / "student.pth")
    assert {"label", "round"} & clone.would_rerun() == {"round"}


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


def test_a_broken_shard_stops_the_round_with_its_name(finished):
    clone, _ = finished
    folder = clone.folder / "results/tiny/search/lbt/seed-0/round-1"
    shard = folder / "pseudo_labels" / "shard-000.h5"
    whole, times = shard.read_bytes(), shard.stat()
    shard.write_bytes(whole[: len(whole) // 2])
    os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))
    try:
        result = clone.snakemake("--forcerun", "round", "--until", "round", "--keep-going")
        text = result.stdout + result.stderr
        assert result.returncode != 0
        assert "shard-000.h5: its content differs from the digest" in text
        assert 'Traceback (most recent call last):\n  File "<frozen runpy>"' not in text
    finally:
        shard.write_bytes(whole)
        os.utime(shard, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_workflow_is_lint_free_and_formatted():
    python = Path(sys.executable).parent
    path = f"{python}{os.pathsep}{os.environ['PATH']}"
    for command in (["snakemake", "--lint"], ["snakefmt", "--check", "workflow"], ["ruff", "check", "."]):
        result = subprocess.run(
            [python / command[0], *command[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=os.environ | {"PATH": path},
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_method_is_one_file(tmp_path):
    """A new file below `lbt/search/methods` is a method for settings, check, jobs and documentation."""
    clone = Clone(tmp_path)
    new = "from lbt.search.method import Method\nTEACHES = True\nMETHOD = Method('sixth_1', None)\n"
    (tmp_path / "lbt" / "search" / "methods" / "sixth_1.py").write_text(new)
    clone.settings["methods"], clone.settings["search"]["random_match"] = ["sixth_1"], "sixth_1"
    result = clone.snakemake("--dry-run")
    assert result.returncode == 0, result.stderr + result.stdout
    text = result.stdout + result.stderr
    assert "results/tiny/search/sixth_1/seed-0/round-1/pseudo_labels/shard-001.h5" in text
    assert "results/tiny/retrain/sixth_1/seed-0/network.pt" in text
    command = [sys.executable, "-m", "lbt.config_docs"]
    page = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "`lpt` or `random` or `sixth_1`" in page
