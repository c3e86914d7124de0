"""Shared by all tests: one thread per process, the order of the groups, and the first files of a tiny run."""

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from filelock import FileLock
from stage_calls import call_stage

from lbt.config import Settings
from lbt.config.read import parse_settings
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.latency.parts import list_space_parts
from lbt.latency.table import TableKey
from lbt.runtime.metrics_csv import write_metrics

torch.set_num_threads(1)

pytest_plugins = ["labelled_run", "played_round", "small_space"]


SLOWEST = ("workflow", "slurm", "stages", "search", "runtime")
"""Folders whose groups of tests start first, so that no process runs a long group while the others have finished."""


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests by file, and those that read the finished run, which takes minutes, in one group."""
    for item in items:
        group = "finished" if "finished" in item.fixturenames else item.location[0]
        item.add_marker(pytest.mark.xdist_group(group))
    places = {folder: place for place, folder in enumerate(SLOWEST)}
    items.sort(key=lambda item: min(places.get(part, len(places)) for part in item.path.parts))


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id) -> Callable[[str, Callable[[Path], None]], Path]:
    """`once(name, make)`: a folder that `make` has filled in one of the test processes, for all of them."""

    def get(name: str, make: Callable[[Path], None]) -> Path:
        base = tmp_path_factory.getbasetemp()
        shared = base if worker_id == "master" else base.parent
        folder, finished = shared / name, shared / f"{name}.finished"
        with FileLock(shared / f"{name}.lock"):
            if not finished.exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                finished.touch()
        return folder

    return get


@pytest.fixture(scope="session")
def tiny(once) -> SimpleNamespace:
    """Settings of the workflow test, data with split and class pixels, an invented latency table, teacher, student."""
    folder = once("tiny", make_tiny)
    settings = tiny_settings(folder)
    files = {"split": folder / "split.csv", "table": folder / "table.csv", "class_pixels": folder / "class_pixels.csv"}
    files |= {"warmup": folder / "warmup.pt", "student": folder / "student.pt"}
    return SimpleNamespace(settings=settings, classes=class_table(settings.data), **files)


def tiny_settings(folder: Path) -> Settings:
    content = yaml.safe_load((Path(__file__).parent / "workflow" / "tiny.yaml").read_text())
    content["data"]["root"] = str(folder / "data")
    return parse_settings(content, "tiny.yaml")


def make_tiny(folder: Path) -> None:
    """Write the files of `tiny`."""
    settings = tiny_settings(folder)
    classes, split = class_table(settings.data).num_classes, folder / "split.csv"
    call_stage("scenes", scenes=settings.scenes, data=settings.data, listing=folder / "data" / "scenes.json")
    call_stage("split", data=settings.data, splits=settings.splits, split=split)
    call_stage("class_pixels", data=settings.data, split=split, pixels=folder / "class_pixels.csv")
    key = TableKey("invented", "eager", "float32", 64, 64, 1, classes, "none")
    write_metrics(
        folder / "table.csv",
        [
            {**asdict(key), **asdict(part), "median_ms": 0.01 * part.in_channels + 0.1 / part.scale, "iqr_ms": 0.0}
            for part in list_space_parts(settings.space, classes)
        ],
    )
    call_stage(
        "warmup",
        seed=0,
        data=settings.data,
        augmentation=settings.augmentation,
        space=settings.space,
        warmup=settings.warmup,
        evaluation=settings.evaluation,
        compute=settings.compute,
        split=split,
        checkpoint=folder / "warmup.pt",
        metrics=folder / "warmup.csv",
    )
    student = {"checkpoint": folder / "student.pt", "metrics": folder / "student.csv"}
    call_stage("student_warmup", settings, split=split, **student)


@pytest.fixture(
    params=[
        ("input_height", 480),
        ("input_width", 32),
        ("backend", "compiled"),
        ("precision", "float16"),
        ("threads", 7),
        ("classes", 19),
    ],
    ids=lambda change: change[0],
)
def refused_by_key(request, tmp_path) -> Callable[[Path, Callable[[Path], object]], None]:
    """`refused_by_key(table, start)`: `start` refuses a copy of the table with another key, and says both values."""

    def check(table: Path, start: Callable[[Path], object]) -> None:
        field, value = request.param
        with open(table, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        other = tmp_path / "other-table.csv"
        write_metrics(other, [row | {field: value} for row in rows])
        here = rows[0][field] if isinstance(value, str) else int(rows[0][field])
        with pytest.raises(LbtError) as caught:
            start(other)
        assert f"{other}: was measured with different settings" in str(caught.value)
        assert f"({field}: {value!r} in the table, {here!r} here)" in str(caught.value)

    return check
