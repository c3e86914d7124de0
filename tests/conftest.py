"""Shared by all tests: one thread, so that parallel test processes do not fight for the cores; a tiny run's start."""

import csv
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from stage_calls import call_stage

from lbt.config.read import parse_settings
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.latency.parts import space_parts
from lbt.latency.table import TableKey
from lbt.runtime.metrics_csv import write_metrics

torch.set_num_threads(1)

pytest_plugins = ["labelled_run", "played_round", "small_space"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Test processes take whole files, and one takes all that look at the finished run, which takes minutes."""
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder == "workflow" else item.location[0]))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> SimpleNamespace:
    """Settings of the workflow test, drawn data and their split, an invented latency table, a warmed-up supernet."""
    folder = tmp_path_factory.mktemp("tiny")
    content = yaml.safe_load((Path(__file__).parent / "workflow" / "tiny.yaml").read_text())
    content["data"]["root"] = str(folder / "data")
    settings = parse_settings(content, "tiny.yaml")
    classes = class_table(settings.data)
    split, table, checkpoint = folder / "split.csv", folder / "table.csv", folder / "warmup.pt"
    call_stage("scenes", scenes=settings.scenes, data=settings.data, listing=folder / "data" / "scenes.json")
    call_stage("split", data=settings.data, splits=settings.splits, split=split)
    key = TableKey("invented", "eager", "float32", 64, 64, 1, classes.num_classes, "none")
    write_metrics(
        table,
        [
            {**asdict(key), **asdict(part), "median_ms": 0.01 * part.in_channels + 0.1 / part.scale, "iqr_ms": 0.0}
            for part in space_parts(settings.space, classes.num_classes)
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
        checkpoint=checkpoint,
        metrics=folder / "warmup.csv",
    )
    return SimpleNamespace(settings=settings, classes=classes, split=split, table=table, warmup=checkpoint)


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
        assert f"{other}: was measured otherwise" in str(caught.value)
        assert f"({field}: {value!r} in the table, {here!r} here)" in str(caught.value)

    return check
