import csv
import math
from dataclasses import asdict

import pytest

from lbt.config import ComputeSettings, DataSettings, LatencySettings, SpaceSettings
from lbt.errors import LbtError
from lbt.latency import measuring, table
from lbt.latency.measuring import TURNS
from lbt.latency.partial_rows import PartialRows
from lbt.latency.parts import space_parts
from lbt.latency.table import COLUMNS, read_table, run, settings_key

SPACE = SpaceSettings(layers=4, base_width=2, width_twelfths=(6, 12))
PARTS = space_parts(SPACE, 3)
BLOCKS = TURNS * len(PARTS)


SETTINGS = {
    "space": SPACE,
    "data": DataSettings(classes=("road", "car", "sky")),
    "latency": LatencySettings(input_size=(32, 64), min_run_seconds=1e-4),
    "compute": ComputeSettings(device="cpu", threads=1),
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Path of a table measured by the stage."""
    path = tmp_path_factory.mktemp("latency") / "table.csv"
    run(**SETTINGS, output=path, log=path.with_name("table.log"))
    return path


@pytest.fixture
def rows(measured):
    with open(measured, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Clock:
    """Stands for `time_together`: a block takes as many milliseconds as it comes late among all.

    Stops the run before a group that would make it more than `stop` blocks.
    """

    def __init__(self, monkeypatch, stop=math.inf):
        self.count, self.stop, self.warm, self.groups = 0, stop, False, []
        monkeypatch.setattr(measuring, "time_together", self)

    def __call__(self, calls, *, threads, seconds):
        if not self.warm:
            self.warm = True
            return [1.0]
        if self.count + len(calls) > self.stop:
            raise KeyboardInterrupt
        self.groups.append(len(calls))
        first, self.count = self.count, self.count + len(calls)
        return [float(place) for place in range(first + 1, self.count + 1)]


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Where a table was to be written before it was stopped; its side file and the number of blocks in that."""
    path = tmp_path / "table.csv"
    clock = Clock(monkeypatch, stop=40)
    with pytest.raises(KeyboardInterrupt):
        run(**SETTINGS, output=path)
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv.partial-rows.jsonl"]
    assert 0 < clock.count <= 40
    return path, tmp_path / "table.csv.partial-rows.jsonl", clock.count


def write(path, rows, columns=COLUMNS):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_every_part_is_measured_once(measured, rows):
    milliseconds = read_table(measured).milliseconds
    assert list(milliseconds) == PARTS
    assert len(rows) == len(milliseconds)
    assert all(0 < ms < 1000 for ms in milliseconds.values())
    assert all(float(row["iqr_ms"]) >= 0 for row in rows)


def test_key_says_where_it_was_measured(measured):
    key = read_table(measured).key
    assert (key.input_height, key.input_width, key.threads, key.classes) == (32, 64, 1, 3)
    assert (key.backend, key.precision) == ("eager", "float32")
    assert key.device and key.software.startswith("torch ")


def test_progress_is_logged(measured, rows):
    lines = measured.with_name("table.log").read_text().splitlines()
    steps = TURNS * len(rows)
    assert any(f"latency table: step {steps}/{steps}" in line for line in lines)


def test_other_key_is_refused_with_both_sides(measured):
    lookup = read_table(measured)
    lookup.check_key(asdict(lookup.key))
    with pytest.raises(LbtError, match=r"input_height: 32 in the table, 64 here; threads: 1 in the table, 4 here"):
        lookup.check_key(asdict(lookup.key) | {"input_height": 64, "threads": 4})


def test_a_part_of_the_key_is_compared_alone(measured):
    lookup = read_table(measured)
    settings, compute = SETTINGS["latency"], SETTINGS["compute"]
    lookup.check_key(settings_key(settings, compute, 3))  # whatever the device and the versions
    assert set(asdict(lookup.key)) - set(settings_key(settings, compute, 3)) == {"device", "software"}
    with pytest.raises(LbtError, match=r"table\.csv: was measured otherwise .*\(classes: 3 in the table, 19 here\)"):
        lookup.check_key({"classes": 19})
    with pytest.raises(LbtError, match=r"device: .* in the table, 'another' here"):
        lookup.check_key({"device": "another", "classes": 3})


def test_all_parts_have_a_block_before_any_has_two(tmp_path, monkeypatch):
    clock, count = Clock(monkeypatch), len(PARTS)
    run(**SETTINGS, output=tmp_path / "table.csv")
    assert clock.count == BLOCKS
    assert all(measuring.GROUP <= size <= 2 * measuring.GROUP for size in clock.groups)
    with open(tmp_path / "table.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # the median of five blocks is the one of the third turn
    assert {float(row["median_ms"]) for row in rows} == set(range(2 * count + 1, 3 * count + 1))
    assert all(count < float(row["iqr_ms"]) < 3 * count for row in rows)


def stop_before_writing(path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(table, "write_metrics", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(**SETTINGS, output=path)


def test_a_few_missing_blocks_are_timed_among_others(stopped, monkeypatch):
    path, side, _ = stopped
    Clock(monkeypatch)
    stop_before_writing(path, monkeypatch)
    lines = side.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + BLOCKS
    side.write_text("".join(lines[:-3]))
    clock = Clock(monkeypatch)
    run(**SETTINGS, output=path)
    assert clock.groups == [measuring.GROUP]
    assert list(read_table(path).milliseconds) == PARTS


def test_nothing_is_left_beside_a_finished_table(measured):
    assert {file.name for file in measured.parent.iterdir()} == {"table.csv", "table.log"}


def test_a_stopped_measurement_goes_on_where_it_stopped(stopped, monkeypatch):
    path, side, kept = stopped
    clock = Clock(monkeypatch)
    run(**SETTINGS, output=path, log=path.with_name("table.log"))
    assert clock.count == BLOCKS - kept
    assert list(read_table(path).milliseconds) == PARTS
    assert not side.exists()
    assert f"continues after {kept} timed blocks" in path.with_name("table.log").read_text()


def test_a_measurement_stopped_after_its_last_row_is_only_written(stopped, monkeypatch):
    path, _, _ = stopped
    Clock(monkeypatch)
    stop_before_writing(path, monkeypatch)
    clock = Clock(monkeypatch, stop=0)
    run(**SETTINGS, output=path)
    assert not clock.warm and list(read_table(path).milliseconds) == PARTS


@pytest.mark.parametrize("cut", [1, 30, 90])
def test_a_row_that_was_cut_off_is_measured_again(stopped, monkeypatch, cut):
    path, side, kept = stopped
    side.write_bytes(side.read_bytes()[:-cut])
    clock = Clock(monkeypatch)
    run(**SETTINGS, output=path)
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
    run(**SETTINGS, output=path, log=path.with_name("table.log"))
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
    run(**settings, output=path, log=log)
    assert clock.count == TURNS * len(read_table(path).milliseconds)
    assert reason in log.read_text()


def test_rows_measured_by_other_code_are_dropped(stopped, monkeypatch):
    path, _, _ = stopped
    monkeypatch.setattr(table, "fingerprint", lambda *_: "other")
    clock = Clock(monkeypatch)
    run(**SETTINGS, output=path)
    assert clock.count == BLOCKS


@pytest.mark.parametrize("content", ["", "garbage", '{"device": "x"', "\x00"])
def test_an_unreadable_side_file_is_dropped(tmp_path, monkeypatch, content):
    path = tmp_path / "table.csv"
    path.with_name("table.csv.partial-rows.jsonl").write_text(content)
    clock = Clock(monkeypatch)
    run(**SETTINGS, output=path, log=tmp_path / "table.log")
    assert clock.count == BLOCKS
    assert "its first line cannot be read" in (tmp_path / "table.log").read_text()


def test_missing_file(tmp_path):
    with pytest.raises(LbtError, match=r"absent\.csv: could not be read"):
        read_table(tmp_path / "absent.csv")


def test_other_columns(tmp_path, rows):
    columns = [name for name in COLUMNS if name != "threads"]
    path = write(tmp_path / "table.csv", [{k: row[k] for k in columns} for row in rows], columns)
    with pytest.raises(LbtError, match="has the columns"):
        read_table(path)


def test_empty_file(tmp_path):
    (tmp_path / "table.csv").write_text("")
    with pytest.raises(LbtError, match="has the columns none"):
        read_table(tmp_path / "table.csv")


def test_no_row(tmp_path):
    with pytest.raises(LbtError, match="holds no row"):
        read_table(write(tmp_path / "table.csv", []))


@pytest.mark.parametrize("value", ["fast", "", "nan", "inf", "-1.0"])
def test_bad_median_is_named_with_its_line(tmp_path, rows, value):
    rows[2]["median_ms"] = value
    with pytest.raises(LbtError, match="line 4"):
        read_table(write(tmp_path / "table.csv", rows))


def test_bad_channel_count_is_named_with_its_line(tmp_path, rows):
    rows[1]["in_channels"] = "3.5"
    with pytest.raises(LbtError, match=r"line 3: cannot be read .*3\.5"):
        read_table(write(tmp_path / "table.csv", rows))


def test_repeated_part(tmp_path, rows):
    with pytest.raises(LbtError, match=rf"line {len(rows) + 2}: .* stands twice"):
        read_table(write(tmp_path / "table.csv", [*rows, rows[0]]))


def test_rows_of_two_devices(tmp_path, rows):
    rows[-1]["device"] = "another"
    with pytest.raises(LbtError, match=rf"line {len(rows) + 1}: measured elsewhere"):
        read_table(write(tmp_path / "table.csv", rows))


def test_file_that_ends_within_a_row(tmp_path, measured):
    text = measured.read_text()
    path = tmp_path / "table.csv"
    path.write_text(text[: text.rstrip("\n").rindex(",", 0, len(text) - 30)])
    with pytest.raises(LbtError, match="cannot be read"):
        read_table(path)


def test_binary_file(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00table")
    with pytest.raises(LbtError, match="is not a CSV table"):
        read_table(tmp_path / "table.csv")
