"""The latency table: what is measured, and which files are refused."""

import csv
from dataclasses import asdict

import pytest
from small_table import PARTS, SETTINGS
from stage_calls import call_stage

from lbt.errors import LbtError
from lbt.latency.measuring import GROUP, TURNS
from lbt.latency.table import COLUMNS, read_table, settings_key


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Path of a table measured by the stage."""
    path = tmp_path_factory.mktemp("latency") / "table.csv"
    call_stage("latency", **SETTINGS, table=path, log=path.with_name("table.log"))
    return path


@pytest.fixture
def rows(measured):
    with open(measured, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


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


def test_the_key_names_the_device(measured):
    key = read_table(measured).key
    assert (key.input_height, key.input_width, key.threads, key.classes) == (32, 64, 1, 3)
    assert (key.backend, key.precision) == ("eager", "float32")
    assert key.device and key.software.startswith("torch ")


def test_progress_is_logged(measured, rows):
    lines = measured.with_name("table.log").read_text().splitlines()
    steps = TURNS * (len(rows) // GROUP)
    assert any(f"latency table: step {steps}/{steps}" in line for line in lines)


def test_another_key_is_refused_with_both_values(measured):
    lookup = read_table(measured)
    lookup.check_key(asdict(lookup.key))
    with pytest.raises(LbtError, match=r"input_height: 32 in the table, 64 here; threads: 1 in the table, 4 here"):
        lookup.check_key(asdict(lookup.key) | {"input_height": 64, "threads": 4})


def test_a_part_of_the_key_is_compared_alone(measured):
    lookup = read_table(measured)
    settings, compute = SETTINGS["latency"], SETTINGS["compute"]
    lookup.check_key(settings_key(settings, compute.threads, 3))  # whatever the device and the versions
    assert set(asdict(lookup.key)) - set(settings_key(settings, compute.threads, 3)) == {"device", "software"}
    with pytest.raises(LbtError, match=r"table\.csv: was .* different settings .*\(classes: 3 in the table, 19 here\)"):
        lookup.check_key({"classes": 19})
    with pytest.raises(LbtError, match=r"device: .* in the table, 'another' here"):
        lookup.check_key({"device": "another", "classes": 3})


def test_no_file_is_left_beside_a_finished_table(measured):
    assert {file.name for file in measured.parent.iterdir()} == {"table.csv", "table.log"}


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LbtError, match=r"absent\.csv: could not be read"):
        read_table(tmp_path / "absent.csv")


def test_other_columns_are_refused(tmp_path, rows):
    columns = [name for name in COLUMNS if name != "threads"]
    path = write(tmp_path / "table.csv", [{k: row[k] for k in columns} for row in rows], columns)
    with pytest.raises(LbtError, match="has the columns"):
        read_table(path)


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "table.csv").write_text("")
    with pytest.raises(LbtError, match="has the columns none"):
        read_table(tmp_path / "table.csv")


def test_a_table_without_rows_is_refused(tmp_path):
    with pytest.raises(LbtError, match="holds no row"):
        read_table(write(tmp_path / "table.csv", []))


@pytest.mark.parametrize("value", ["fast", "", "nan", "inf", "-1.0"])
def test_bad_median_is_named_with_its_line(tmp_path, rows, value):
    rows[2]["median_ms"] = value
    with pytest.raises(LbtError, match="line 4"):
        read_table(write(tmp_path / "table.csv", rows))


def test_bad_channel_count_is_named_with_its_line(tmp_path, rows):
    rows[1]["in_channels"] = "3.5"
    with pytest.raises(LbtError, match=r"line 3: .*3\.5"):
        read_table(write(tmp_path / "table.csv", rows))


def test_a_repeated_part_is_refused(tmp_path, rows):
    with pytest.raises(LbtError, match=rf"line {len(rows) + 2}: .* is listed twice"):
        read_table(write(tmp_path / "table.csv", [*rows, rows[0]]))


def test_rows_of_two_devices_are_refused(tmp_path, rows):
    rows[-1]["device"] = "another"
    with pytest.raises(LbtError, match=rf"line {len(rows) + 1}: has another key"):
        read_table(write(tmp_path / "table.csv", rows))


def test_a_file_that_ends_within_a_row_is_refused(tmp_path, measured):
    text = measured.read_text()
    path = tmp_path / "table.csv"
    path.write_text(text[: text.rstrip("\n").rindex(",", 0, len(text) - 30)])
    with pytest.raises(LbtError, match=r"line \d+: does not have"):
        read_table(path)


def test_a_binary_file_is_refused(tmp_path):
    (tmp_path / "table.csv").write_bytes(b"\xff\xfe\x00table")
    with pytest.raises(LbtError, match="is not a CSV table"):
        read_table(tmp_path / "table.csv")
