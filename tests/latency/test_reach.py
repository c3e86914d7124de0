import json
from dataclasses import asdict

import pytest
from stage_calls import call_stage

from lbt.config import ComputeSettings, DataSettings, DerivationSettings, LatencySettings, SearchSettings, SpaceSettings
from lbt.errors import LbtError
from lbt.latency.window import reachable_latency
from lbt.runtime.metrics_csv import write_metrics


@pytest.fixture
def table(synthetic_table, tmp_path):
    space = SpaceSettings(layers=5)
    made = synthetic_table(space)
    rows = [
        {**asdict(made.key), **asdict(part), "median_ms": ms, "iqr_ms": 0.0} for part, ms in made.milliseconds.items()
    ]
    write_metrics(tmp_path / "table.csv", rows)
    return space, made, tmp_path / "table.csv"


def reach(table, output, fps, window="search"):
    space, _, path = table
    sections = {"search": SearchSettings(fps=fps)}
    if window == "derivation":
        sections = {"derivation": DerivationSettings(rule="search", fps=fps)}
    call_stage(
        f"reach_{window}",
        data=DataSettings(classes=("road", "car", "sky", "person", "pole")),
        space=space,
        latency=LatencySettings(input_size=(64, 96)),
        compute=ComputeSettings(threads=1),
        table=path,
        reach=output,
        **sections,
    )
    return json.loads(output.read_text())


@pytest.mark.parametrize("window", ["search", "derivation"])
def test_the_range_is_written_with_the_window(table, tmp_path, window):
    least, greatest = reachable_latency(*table[:2])
    wanted = (500 / greatest, 2000 / least)
    found = reach(table, tmp_path / "reach.json", wanted, window)
    assert (found["least_ms"], found["greatest_ms"]) == pytest.approx((least, greatest))
    assert found["least_fps"] == pytest.approx(1000 / greatest)
    assert found["window"] == list(wanted)


@pytest.mark.parametrize("window", ["search", "derivation"])
def test_a_window_out_of_reach_leaves_no_file(table, tmp_path, window):
    fastest = 1000 / reachable_latency(*table[:2])[0]
    with pytest.raises(LbtError, match=rf"{window}\.fps: no architecture"):
        reach(table, tmp_path / "reach.json", (fastest * 2, fastest * 3), window)
    assert not (tmp_path / "reach.json").exists()


def test_a_table_of_another_key_is_refused(table, tmp_path, refused_by_key):
    space, made, path = table
    refused_by_key(path, lambda other: reach((space, made, other), tmp_path / "reach.json", (1.0, 1.0e6)))
    assert not (tmp_path / "reach.json").exists()
