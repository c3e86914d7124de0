"""A stage that was killed, at any moment and more than once, resumes and ends with the same bytes."""

import csv
import os
import random
import shutil
import signal
from pathlib import Path

import pytest
import torch
from kills import Kill, run_stage
from stage_calls import call_stage, stage_words

from lbt.config.methods import METHODS
from lbt.config.read import parse_settings
from lbt.config.unread import select_read
from lbt.data.splits import read_split
from lbt.files import sha256, write_json
from lbt.network.random_genotype import random_genotype

SEED = 2026
STEPS = {"warmup": 5, "student_warmup": 6, "lbt": 4, "lpt": 4, "retrain": 8}
KILL, TERM, INT, USR1 = signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1
EVERY_STEP, NEVER = 0.0, 1.0e6


class Case:
    """A stage of the tiny run with more steps, and the files of an undisturbed run of it."""

    def __init__(self, name: str, tiny, folder: Path) -> None:
        self.name, self.folder = name, folder
        content = select_read(tiny.settings)
        content["warmup"]["epochs"] = STEPS["warmup"] * 4 / 8
        content["search"]["student"]["warmup_epochs"] = STEPS["student_warmup"] * 2 / 8
        content["search"] |= {"epochs": STEPS["lbt"] * 4 / 8, "cosearch": name == "lbt"}
        content["search"] |= {"student_memory": 0.9, "label_steps": 2}
        content["search"]["architecture"]["accumulate"] = 3
        content["retrain"]["epochs"] = STEPS["retrain"] * 4 / 16
        settings = parse_settings(content, "kills.yaml")
        self.stage = "round" if name in METHODS else name
        self.method = name if self.stage == "round" else "lbt"
        self.settings = settings
        self.inputs, self.names = {"split": tiny.split}, ("checkpoint.pt",)
        if self.stage == "round":
            self.inputs |= {"table": tiny.table, "previous": tiny.warmup, "student": tiny.student}
            guide = ["guide.json"] if name == "lbt" else []
            self.names = ("checkpoint.pt", "training_state.pt", "architecture.json", *guide)
        if self.stage == "retrain":
            self.names, self.inputs["genotype"] = ("network.pt",), folder / "genotype.json"
            self.inputs["class_pixels"] = tiny.class_pixels
            genotype = random_genotype(tiny.settings.space, torch.Generator().manual_seed(0))
            write_json(folder / "genotype.json", genotype.to_json())
        if name == "lbt":
            self.inputs["probabilities"] = [folder / "probability-000.h5", folder / "probability-001.h5"]
            for number, soft in enumerate(self.inputs["probabilities"]):
                files = {"split": tiny.split, "teacher": tiny.warmup, "labels": folder / "shard", "probabilities": soft}
                call_stage("label", settings, shard=number, code="x", **files)
        assert self.run("whole", NEVER) == 0
        self.expected = self.found("whole")

    def run(self, folder: str, minutes: float, kills=(), workers: int = 0, code: str = "c0de", root=None) -> int:
        place = self.folder / folder
        outputs = {name.partition(".")[0].removeprefix("training_"): place / name for name in self.names}
        outputs["metrics"] = place / "metrics.csv"
        outputs["manifest"] = place / ".manifest.json"
        changed = {"workers": workers, "checkpoint_minutes": minutes}
        settings = self.settings.model_copy(update={"compute": self.settings.compute.model_copy(update=changed)})
        if root is not None:
            settings = settings.model_copy(update={"data": settings.data.model_copy(update={"root": str(root)})})
        files = {"inputs": self.inputs, "outputs": outputs}
        words = stage_words(self.stage, settings, place / "log.txt", code=code, method=self.method, **files)
        return run_stage(words, kills)

    def rows(self, folder: str) -> list[dict[str, str]]:
        with open(self.folder / folder / "metrics.csv", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def found(self, folder: str) -> dict:
        """All content that must repeat, and the names of the files."""
        place = self.folder / folder
        found = {name: sha256(place / name) for name in self.names}
        found["rows"] = [{key: value for key, value in row.items() if key != "seconds"} for row in self.rows(folder)]
        return found | {"files": sorted(path.name for path in place.iterdir())}

    def log(self, folder: str) -> str:
        return (self.folder / folder / "log.txt").read_text()


@pytest.fixture(scope="module")
def case(tiny, tmp_path_factory):
    cases: dict[str, Case] = {}

    def get(name: str) -> Case:
        if name not in cases:
            cases[name] = Case(name, tiny, tmp_path_factory.mktemp(name))
        return cases[name]

    return get


def scenarios() -> list[tuple[str, float, list[list[Kill]]]]:
    """Stage, minutes between saves, and the kills of each run; an undisturbed run follows.

    Because the steps of a round take longest, LBT and LPT share the kinds of kills.
    """
    draw, found = random.Random(SEED), []
    for number, name in enumerate(["warmup", "lbt", "lpt", "retrain", "retrain", "student_warmup"]):
        steps = STEPS[name]
        # a kill with a delay comes at least two steps before the end, so that it cannot come too late
        early, late = [draw.randrange(2, steps - 1) for _ in range(2)], [draw.randrange(2, steps) for _ in range(4)]
        delays = [draw.uniform(0.05, 0.5) for _ in range(2)]
        rename, stop = ("before rename", "after rename")[number % 2], (TERM, INT)[number % 2]
        kinds = [
            (EVERY_STEP, [[Kill("step", early[0], delay=delays[0])]]),
            (NEVER, [[Kill("step", late[2] - 1, USR1), Kill("step", late[2])]]),
            (EVERY_STEP, [[Kill("output", draw.randrange(2, 4))]]),
            (EVERY_STEP, [[Kill("in save", late[0])]]),
            (EVERY_STEP, [[Kill(rename, early[1])], [Kill("step", 1, delay=delays[1])]]),
            (NEVER, [[Kill("step", late[1], TERM)], [Kill("step", 1, stop)]]),
        ]
        taken = {"lbt": kinds[3:], "lpt": kinds[:3]}.get(name, kinds)
        found += [(name, *kind) for kind in taken]
    return found


SCENARIOS = scenarios()
QUICK = (0, 4, 8, 10, 14, 15, 16, 27)
"""Each stage and each kind of kill once; the exhaustive tests combine them."""
NUMBERS = [n if n in QUICK else pytest.param(n, marks=pytest.mark.exhaustive) for n in range(len(SCENARIOS))]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_killed_stage_resumes_and_ends_with_the_same_bytes(case, number):
    name, minutes, runs = SCENARIOS[number]
    stage, folder = case(name), f"kill-{number}"
    for kills in runs:
        last = kills[-1].by
        assert stage.run(folder, minutes, kills) == (-last if last == KILL else 128 + last)
        if last in (TERM, INT):
            assert f"then stopped by {last.name}. The same command resumes from there" in stage.log(folder)
    assert stage.run(folder, minutes) == 0
    assert "resumes after step" in stage.log(folder)
    assert stage.found(folder) == stage.expected


def test_the_scenarios_cover_all_kinds_of_kills():
    kills = [kill for _, _, runs in SCENARIOS for run in runs for kill in run]
    quick = [SCENARIOS[number] for number in QUICK]
    assert {stage for stage, _, _ in quick} == set(STEPS)
    assert {(k.at, k.by) for _, _, runs in quick for run in runs for k in run} == {(k.at, k.by) for k in kills}
    assert len(SCENARIOS) >= 20 and len({(kill.at, kill.by) for kill in kills}) >= 8
    assert sum(kill.at in ("in save", "before rename", "after rename") for kill in kills) >= 5


@pytest.mark.exhaustive
def test_a_signal_to_all_processes_does_not_end_the_loaders(case):
    """A cluster's scheduler also signals the loader processes; the stage must still save its state."""
    stage = case("warmup")
    kills = [Kill("step", 2, USR1, group=True), Kill("step", 3, TERM, group=True)]
    assert stage.run("group", NEVER, kills, workers=1) == 128 + TERM
    assert "saved after step 3 of 5" in stage.log("group")
    assert stage.run("group", NEVER) == 0
    assert stage.found("group") == stage.expected


def test_a_state_saved_by_other_code_is_refused_with_a_message(case):
    stage = case("warmup")
    assert stage.run("code", EVERY_STEP, [Kill("step", 3, delay=0.001)], code="0ld") == -KILL
    assert (stage.folder / "code" / "checkpoint.pt.resume").exists()
    assert stage.run("code", NEVER) == 0
    assert "checkpoint.pt.resume was made with other code" in stage.log("code")
    assert "resumes" not in stage.log("code")
    assert stage.found("code") == stage.expected


def test_a_changed_image_invalidates_the_saved_state(case, tiny, tmp_path):
    stage = case("warmup")
    root = shutil.copytree(tiny.settings.data.root, tmp_path / "data")  # other tests read the same images
    assert stage.run("image", NEVER, [Kill("step", 3, TERM)], root=root) == 128 + TERM
    image = root / read_split(tiny.split, "teacher_train")[0].image
    times = image.stat()
    os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    assert stage.run("image", NEVER, root=root) == 0
    assert "checkpoint.pt.resume was made with other images" in stage.log("image")
