import json
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.latency.reach import run
from lbt.latency.window import reachable_latency
from lbt.metrics import write_metrics


@pytest.fixture
def table(synthetic_table, tmp_path):
    space = SpaceSettings(layers=5)
    made = synthetic_table(space)
    rows = [
        {**asdict(made.key), **asdict(part), "median_ms": ms, "iqr_ms": 0.0} for part, ms in made.milliseconds.items()
    ]
    write_metrics(tmp_path / "table.csv", rows)
    return space, made, tmp_path / "table.csv"


def test_the_range_is_written_with_the_window(table, tmp_path):
    space, made, path = table
    least, greatest = reachable_latency(space, made)
    wanted = (500 / greatest, 2000 / least)
    run(space=space, search=SimpleNamespace(fps=wanted), table=path, output=tmp_path / "reach.json")
    found = json.loads((tmp_path / "reach.json").read_text())
    assert (found["least_ms"], found["greatest_ms"]) == pytest.approx((least, greatest))
    assert found["least_fps"] == pytest.approx(1000 / greatest) and found["fps"] == list(wanted)


def test_a_window_out_of_reach_leaves_no_file(table, tmp_path):
    space, made, path = table
    fastest = 1000 / reachable_latency(space, made)[0]
    search = SimpleNamespace(fps=(fastest * 2, fastest * 3))
    with pytest.raises(LbtError, match=r"search\.fps: no architecture"):
        run(space=space, search=search, table=path, output=tmp_path / "reach.json")
    assert not (tmp_path / "reach.json").exists()
