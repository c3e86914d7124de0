"""Measuring the latency table: the order of the blocks, and an interrupted measurement that resumes."""

import csv
from dataclasses import replace

import pytest
from small_table import BLOCKS, PARTS, SETTINGS, Stopwatch
from stage_calls import call_stage

from lbt.latency import measure_table, measuring
from lbt.latency.measuring import TURNS
from lbt.latency.table import read_table
from lbt.runtime.resume import Resume


def measure(folder):
    """Run the stage; it saves every group of blocks."""
    resume = Resume(folder / "table.csv.resume", {"code": "c0de"}, minutes=0.0)
    call_stage("latency", **SETTINGS, table=folder / "table.csv", resume=resume, log=folder / "table.log")
    resume.remove()


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """The folder of a measurement that was interrupted, and the number of blocks that it saved."""
    stopwatch = Stopwatch(monkeypatch, stop=40)
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"table.csv.resume", "table.log"}
    assert 0 < stopwatch.count <= 40
    return tmp_path, stopwatch.count


def test_all_parts_have_a_block_before_any_has_two(tmp_path, monkeypatch):
    stopwatch, count = Stopwatch(monkeypatch), len(PARTS)
    measure(tmp_path)
    assert stopwatch.count == BLOCKS
    assert all(measuring.GROUP <= size <= 2 * measuring.GROUP for size in stopwatch.groups)
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # the median of five blocks is that of the third turn
    assert {float(row["median_ms"]) for row in rows} == set(range(2 * count + 1, 3 * count + 1))
    assert all(count < float(row["iqr_ms"]) < 3 * count for row in rows)


def test_an_interrupted_measurement_resumes_after_the_saved_blocks(interrupted, monkeypatch):
    folder, saved = interrupted
    stopwatch = Stopwatch(monkeypatch)
    stopwatch.count = saved  # so that the blocks take the same times as without the interruption
    measure(folder)
    assert sum(stopwatch.groups) == BLOCKS - saved
    assert not (folder / "table.csv.resume").exists()
    resumed = (folder / "table.csv").read_bytes()
    Stopwatch(monkeypatch)
    measure(folder)
    assert resumed == (folder / "table.csv").read_bytes()


def test_a_measurement_interrupted_after_its_last_block_is_only_written(tmp_path, monkeypatch):
    Stopwatch(monkeypatch)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(measure_table, "write_metrics", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        measure(tmp_path)
    stopwatch = Stopwatch(monkeypatch)
    measure(tmp_path)
    assert not stopwatch.warm and list(read_table(tmp_path / "table.csv").milliseconds) == PARTS


@pytest.mark.parametrize("field", ["device", "software"])
def test_blocks_of_another_device_are_not_used(interrupted, monkeypatch, field):
    folder, _ = interrupted
    original = measure_table.current_key
    monkeypatch.setattr(measure_table, "current_key", lambda *a: replace(original(*a), **{field: "another"}))
    stopwatch = Stopwatch(monkeypatch)
    measure(folder)
    assert stopwatch.count == BLOCKS == TURNS * len(PARTS)
    assert "was made with other latency key" in (folder / "table.log").read_text()
