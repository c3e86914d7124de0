"""The study of recipes at the smallest size: equal time, held-out images, resuming, the table."""

import json
from pathlib import Path

import pytest
import recipe_data
import recipe_runs
import yaml
from PIL import Image
from recipe import ROOT
from recipe_arms import ARMS, AUGMENTED, OF_CAMVID, SPEEDS
from recipe_supernet import widen
from recipe_table import markdown, table

from lbt.data.classes import class_table
from lbt.data.sample import Sample
from lbt.data.splits import read_split, training_samples
from lbt.inference.network_file import load_trained

TINY = Path(__file__).resolve().parent.parent / "workflow" / "tiny.yaml"


def test_the_end_of_each_video_and_whole_towns_are_held_out():
    video = [Sample(f"v{v}_{k:02}", "i", "m", f"v{v}:{k // 5}") for v in range(2) for k in range(30)]
    train, held_out = recipe_data.hold_out(video)
    assert {sample.group for sample in held_out} == {"v0:5", "v1:5"} and len(train) == 50
    towns = [Sample(f"{town}_{k}", "i", "m", town) for town in "abcdefgh" for k in range(3)]
    train, held_out = recipe_data.hold_out(towns)
    assert {sample.group for sample in held_out} == {"g", "h"} and len(train) == 18


def test_all_arms_differ(tiny):
    data = recipe_data.DataSet("x", tiny.settings, Path(), tuple(ARMS), 1.0)
    dumps = [
        data.retrain(arm).model_dump() | {"augmentation": AUGMENTED.get(arm), "distils": arm == "distilled"}
        for arm in ARMS | SPEEDS
    ]
    assert len({json.dumps(dump) for dump in dumps}) == len(dumps)
    assert set(OF_CAMVID) <= set(ARMS)


@pytest.fixture
def scenes(tmp_path):
    content = yaml.safe_load(TINY.read_text())
    content["data"]["classes"] = ["road", "sky"]
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content))
    return recipe_data.scenes(tmp_path / "scenes", 0.5, ("released", "with ema"), tmp_path / "tiny.yaml")


@pytest.mark.exhaustive
def test_arms_are_trained_scored_and_kept(scenes, monkeypatch):
    monkeypatch.setattr(recipe_runs, "MEASURED_STEPS", 3)
    assert not set(training_samples(scenes.split)) & set(read_split(scenes.split, "evaluation"))
    seconds = recipe_runs.measure_steps(scenes)
    for seed in range(2):
        for arm in scenes.arms:
            recipe_runs.run_arm(scenes, arm, seed, seconds)
    files = sorted(scenes.folder.glob("runs/*/result.json"))
    times = [path.stat().st_mtime_ns for path in files]
    rows = table(scenes)
    recipe_runs.run_arm(scenes, "with ema", 1, recipe_runs.measure_steps(scenes))  # is there already
    assert len(files) == 4 and [path.stat().st_mtime_ns for path in files] == times
    assert [row["arm"] for row in rows] == ["released", "with ema", *SPEEDS] and rows[0]["difference"] == 0
    assert all(row["seeds"] == 0 and row["step_ms"] > 0 for row in rows[2:])
    assert all(row["seeds"] == 2 and row["steps"] == max(2, round(0.5 / seconds[row["arm"]])) for row in rows[:2])
    assert all(0 <= row["miou"] <= 100 and {"road", "sky"} <= set(row) for row in rows[:2])
    assert len(markdown(rows).splitlines()) == 6


@pytest.mark.exhaustive
def test_an_arm_inherits_and_learns_from_the_widest_network(scenes):
    recipe_runs.retrain(scenes, "distilled", 0, 2, scenes.folder / "measured")
    space, names = scenes.settings.space, class_table(scenes.settings.data).names
    narrow, wide = (
        load_trained(scenes.folder / file, names, space).network for file in ("measured/network.pt", "widest.pt")
    )
    widest = max(space.width_twelfths)
    for branch in wide.genotype.branches:
        assert {cell.width_twelfths for cell in branch.cells[:-1]} <= {widest}
        assert branch.cells[-1].width_twelfths == space.head_twelfths
    assert widen(narrow.genotype, space) == wide.genotype
    assert "distillation_loss" in (scenes.folder / "measured" / "metrics.csv").read_text()


def test_camvid_is_halved(tmp_path):
    for part, mode, color in (("train", "RGB", (9, 9, 9)), ("trainannot", "L", 3)):
        (tmp_path / "camvid" / part).mkdir(parents=True)
        for k in range(12):
            Image.new(mode, (96, 64), color).save(tmp_path / "camvid" / part / f"a_{k:02}.png")
    config = ROOT / "config" / "camvid-cpu.yaml"
    data = recipe_data.camvid(tmp_path / "camvid", tmp_path / "half", 1.0, OF_CAMVID, config)
    assert data.settings.augmentation.crop == (96, 128)
    with Image.open(tmp_path / "half/data/trainannot/a_00.png") as mask:
        assert mask.size == (48, 32) and mask.getextrema() == (3, 3)
    assert len(read_split(data.split, "evaluation")) == 2 and len(training_samples(data.split)) == 10
