"""A measurement of the latency table that was stopped goes on where it stopped, and never with a damaged row."""

import pytest
from small_table import BLOCKS, PARTS, SETTINGS, Clock
from stage_calls import call_stage

from lbt.latency import measure_table as table
from lbt.latency import measuring
from lbt.latency.measuring import TURNS
from lbt.latency.partial_rows import PartialRows
from lbt.latency.table import read_table


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Where a table was to be written before it was stopped; its side file and the number of blocks in that."""
    path = tmp_path / "table.csv"
    clock = Clock(monkeypatch, stop=40)
    with pytest.raises(KeyboardInterrupt):
        call_stage("latency", **SETTINGS, table=path)
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv.partial-rows.jsonl"]
    assert 0 < clock.count <= 40
    return path, tmp_path / "table.csv.partial-rows.jsonl", clock.count


def stop_before_writing(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(table, "write_metrics", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            call_stage("latency", **SETTINGS, table=path)


def test_a_few_missing_blocks_are_timed_among_others(stopped, monkeypatch):
    path, side, _ = stopped
    Clock(monkeypatch)
    stop_before_writing(path, monkeypatch)
    lines = side.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + BLOCKS
    side.write_text("".join(lines[:-3]))
    clock = Clock(monkeypatch)
    call_stage("latency", **SETTINGS, table=path)
    assert clock.groups == [measuring.GROUP]
    assert list(read_table(path).milliseconds) == PARTS


def test_a_stopped_measurement_goes_on_where_it_stopped(stopped, monkeypatch):
    path, side, kept = stopped
    clock = Clock(monkeypatch)
    call_stage("latency", **SETTINGS, table=path, log=path.with_name("table.log"))
    assert clock.count == BLOCKS - kept
    assert list(read_table(path).milliseconds) == PARTS
    assert not side.exists()
    assert f"continues after {kept} timed blocks" in path.with_name("table.log").read_text()


def test_a_measurement_stopped_after_its_last_row_is_only_written(stopped, monkeypatch):
    path, _, _ = stopped
    Clock(monkeypatch)
    stop_before_writing(path, monkeypatch)
    clock = Clock(monkeypatch, stop=0)
    call_stage("latency", **SETTINGS, table=path)
    assert not clock.warm and list(read_table(path).milliseconds) == PARTS


@pytest.mark.parametrize("cut", [1, 30, 90])
def test_a_row_that_was_cut_off_is_measured_again(stopped, monkeypatch, cut):
    path, side, kept = stopped
    side.write_bytes(side.read_bytes()[:-cut])
    clock = Clock(monkeypatch)
    call_stage("latency", **SETTINGS, table=path)
    assert clock.count == BLOCKS - kept + 1
    assert len(read_table(path).milliseconds) == len(PARTS)


DAMAGES = [
    '{"part": "cell"}',
    "{}",
    "[]",
    "null",
    "not JSON",
    '{"ms": NaN}',
    '{"crc32": true}',
    "\x00\x00",
    "[" * 100_000,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_a_damaged_row_is_measured_again(stopped, monkeypatch, damage):
    path, side, kept = stopped
    lines = side.read_text().split("\n")
    side.write_text("\n".join([*lines[:4], damage, *lines[5:]]))
    clock = Clock(monkeypatch)
    call_stage("latency", **SETTINGS, table=path, log=path.with_name("table.log"))
    assert clock.count == BLOCKS - kept + 1
    assert list(read_table(path).milliseconds) == PARTS
    log = path.with_name("table.log").read_text()
    assert f"continues after {kept - 1} timed blocks; 1 damaged one is measured again" in log


@pytest.mark.parametrize("bit", [1, 8, 64])
def test_no_byte_can_change_unseen(tmp_path, bit):
    key = {"threads": 1}
    with PartialRows(tmp_path / "table.csv", key) as rows:
        for part in PARTS[:3]:
            rows.add(part, 1.25)
    whole, blocks = rows.path.read_bytes(), dict(rows.blocks)
    for place, byte in enumerate(whole):
        rows.path.write_bytes(whole[:place] + bytes([byte ^ bit]) + whole[place + 1 :])
        found = PartialRows(tmp_path / "table.csv", key)
        assert found.blocks.items() <= blocks.items(), place
        lost = place + 1 < len(whole) and len(found.blocks) < 3  # a last line without its end was cut off, not damaged
        assert lost == ("measured again" in found.note or "is dropped" in found.note), (place, found.note)


@pytest.mark.parametrize(
    ("section", "changes", "reason"),
    [
        ("latency", {"min_run_seconds": 2e-4}, "min_run_seconds was 0.0001 and is 0.0002"),
        ("latency", {"input_size": (64, 64)}, "input_height was 32 and is 64"),
        ("compute", {"threads": 2}, "threads was 1 and is 2"),
        ("data", {"classes": ("road", "car")}, "classes was 3 and is 2"),
    ],
)
def test_rows_of_another_key_are_dropped_with_the_reason(stopped, monkeypatch, section, changes, reason):
    path, _, _ = stopped
    settings = SETTINGS | {section: SETTINGS[section].model_copy(update=changes)}
    clock, log = Clock(monkeypatch), path.with_name("table.log")
    call_stage("latency", **settings, table=path, log=log)
    assert clock.count == TURNS * len(read_table(path).milliseconds)
    assert reason in log.read_text()


def test_rows_measured_by_other_code_are_dropped(stopped, monkeypatch):
    path, _, _ = stopped
    monkeypatch.setattr(table, "fingerprint", lambda *_: "other")
    clock = Clock(monkeypatch)
    call_stage("latency", **SETTINGS, table=path)
    assert clock.count == BLOCKS


@pytest.mark.parametrize("content", ["", "garbage", '{"device": "x"', "\x00"])
def test_an_unreadable_side_file_is_dropped(tmp_path, monkeypatch, content):
    path = tmp_path / "table.csv"
    path.with_name("table.csv.partial-rows.jsonl").write_text(content)
    clock = Clock(monkeypatch)
    call_stage("latency", **SETTINGS, table=path, log=tmp_path / "table.log")
    assert clock.count == BLOCKS
    assert "its first line cannot be read" in (tmp_path / "table.log").read_text()
