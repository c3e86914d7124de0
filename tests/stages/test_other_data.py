"""The results of another data set are not replaced by mistake, and nobody is blocked without a way out."""

import json
import shutil
from pathlib import Path

import pytest
from finished_data import leave_data

from lbt.config import DataSettings, Settings
from lbt.stages.other_data import describe_other_data

CLASSES = [{"name": name, "id": number, "color": [number] * 3} for number, name in enumerate("ab")]


def write(root: Path, count: int = 10, text: str = "x") -> Settings:
    for number in range(count):
        for folder in ("photos", "masks"):
            (root / folder).mkdir(parents=True, exist_ok=True)
            (root / folder / f"{number}.png").write_text(f"{folder} {text * (number + 1)}")
    return settings(root)


def settings(root: Path, classes=CLASSES, **more) -> Settings:
    folder = {"images": "photos/*", "masks": "masks/*", "group": "^(.*)$", "classes": classes}
    data = DataSettings.model_validate_json(json.dumps({"layout": "folder", "root": str(root), "folder": folder}))
    return Settings.model_validate({"run": "mine", "data": data} | more)


@pytest.fixture
def run(tmp_path) -> Path:
    leave_data(write(tmp_path / "old"), tmp_path / "results")
    return tmp_path / "results"


def test_the_same_data_set_may_grow_move_and_be_corrected(tmp_path, run):
    assert describe_other_data(settings(tmp_path / "old"), run) == ""
    assert describe_other_data(write(tmp_path / "old", 40), run) == ""
    for path in (tmp_path / "old/masks").iterdir():
        path.write_text("corrected")
    (tmp_path / "old/photos/3.png").unlink()
    shutil.move(tmp_path / "old", tmp_path / "moved")
    assert describe_other_data(settings(tmp_path / "moved"), run) == ""


def test_other_images_are_said_with_both_ways_out(tmp_path, run):
    found = describe_other_data(write(tmp_path / "new", text="yz"), run)  # of the same names
    assert found.startswith(f"{run} holds the results of another data set (10 of 10 images of {tmp_path / 'old'}")
    assert f"Write another `run:`, or, to replace the results, remove the folder {run / 'data'}" in found
    shutil.rmtree(run / "data")
    assert describe_other_data(settings(tmp_path / "new"), run) == ""
    assert describe_other_data(settings(tmp_path / "new"), tmp_path / "results/other") == ""


def test_other_content_of_the_same_folder(tmp_path, run):
    for path in (tmp_path / "old/photos").iterdir():
        path.rename(path.with_name(f"new-{path.name}"))
    assert "10 of 10 images that were compared are not in" in describe_other_data(settings(tmp_path / "old"), run)


def test_other_classes(tmp_path, run):
    more = [*CLASSES, {"name": "c", "id": 7, "color": [7, 7, 7]}]
    found = describe_other_data(settings(tmp_path / "old", more), run)
    assert "(its classes were a, b, now they are a, b, c)" in found
    other_id = [CLASSES[0], CLASSES[1] | {"id": 9}]
    assert describe_other_data(settings(tmp_path / "old", other_id), run) == ""  # a corrected id
    cityscapes = Settings(run="mine", data=DataSettings(root=str(tmp_path / "old")))
    assert "now they are the official 19" in describe_other_data(cityscapes, run)


def test_a_run_without_trained_weights_has_nothing_to_lose(tmp_path):
    leave_data(write(tmp_path / "old"), tmp_path / "results", trained=False)
    new, run = write(tmp_path / "new", text="yz"), tmp_path / "results"
    assert describe_other_data(new, run) == ""
    student = run / "student_warmup" / "seed-0" / ".manifest.json"  # the other warm-up may take longer
    student.parent.mkdir(parents=True)
    student.write_text("{}")
    assert "holds the results of another data set" in describe_other_data(new, run)


def test_a_damaged_record_does_not_block(tmp_path, run):
    (run / "data/.manifest-check.json").write_text("{}")
    assert describe_other_data(write(tmp_path / "new", text="yz"), run) == ""
