"""The script for a real GPU, rehearsed on the CPU; and a report that keeps what it has."""

import json

import pytest
from measure import SHARES, main
from report import Report


def test_a_report_keeps_results_and_errors_and_ends_in_time(tmp_path):
    report = Report(tmp_path / "out.json", seconds=60)

    def measurements():
        yield "good", lambda: {"ms": 1.5}
        yield "bad", lambda: 1 / 0
        assert json.loads(report.path.read_text())["part"]["good"] == {"ms": 1.5}  # already written
        yield "after", lambda: 2
        raise RuntimeError("nothing more")

    report.run("part", measurements(), seconds=60)
    report.run("late", iter([("one", lambda: 1), ("two", lambda: 2)]), seconds=0)
    found = json.loads(report.path.read_text())
    assert found["part"]["good"] == {"ms": 1.5} and found["part"]["after"] == 2
    assert "ZeroDivisionError: division by zero (test_measure.py:" in found["part"]["bad"]["error"]
    assert "RuntimeError: nothing more" in found["part"]["error"]
    assert found["late"] == {"left out, no time": ["one", "two"]}


@pytest.mark.exhaustive
def test_the_whole_script_is_rehearsed_on_the_cpu(tmp_path):
    main(["--out", str(tmp_path / "out.json"), "--device", "cpu", "--small", "--threads", "1", "--minutes", "30"])
    found = json.loads((tmp_path / "out.json").read_text())
    errors = {part: [k for k, v in values.items() if "error" in v] for part, values in found.items() if part in SHARES}
    assert set(errors) == set(SHARES) and not any(errors.values()), found
    assert found["stages"]["label, float32"] == {"labels_equal": 1.0, "largest_difference_of_codes": 0}
    exact = {name: value for name, value in found["stages"].items() if name.endswith(", float32")}
    for name, columns in exact.items():
        for column, difference in columns.items():
            if isinstance(difference, dict) and "largest" in difference:
                assert difference["largest"] == 0, (name, column)
    assert all(value["metrics_equal"] and not value["tensors_that_differ"] for value in found["repeatability"].values())
