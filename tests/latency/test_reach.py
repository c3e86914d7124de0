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


def reach(table, output, search_fps=None, derivation_fps=None):
    space, _, path = table
    call_stage(
        "reach",
        data=DataSettings(classes=("road", "car", "sky", "person", "pole")),
        space=space,
        latency=LatencySettings(input_size=(64, 96)),
        search=SearchSettings(fps=search_fps),
        derivation=DerivationSettings(rule="search", fps=derivation_fps),
        compute=ComputeSettings(threads=1),
        table=path,
        reach=output,
    )
    return json.loads(output.read_text())


def test_the_range_is_written_with_the_windows(table, tmp_path):
    least, greatest = reachable_latency(*table[:2])
    wanted = (500 / greatest, 2000 / least)
    found = reach(table, tmp_path / "reach.json", search_fps=wanted)
    assert (found["least_ms"], found["greatest_ms"]) == pytest.approx((least, greatest))
    assert found["least_fps"] == pytest.approx(1000 / greatest)
    assert found["windows"] == {"search.fps": list(wanted)}
    both = reach(table, tmp_path / "reach.json", search_fps=wanted, derivation_fps=(1.0, 1.0e6))
    assert both["windows"] == {"search.fps": list(wanted), "derivation.fps": [1.0, 1.0e6]}


@pytest.mark.parametrize("setting", ["search.fps", "derivation.fps"])
def test_a_window_out_of_reach_leaves_no_file(table, tmp_path, setting):
    fastest = 1000 / reachable_latency(*table[:2])[0]
    good, bad = (fastest / 2, fastest), (fastest * 2, fastest * 3)
    windows = (bad, good) if setting == "search.fps" else (good, bad)
    with pytest.raises(LbtError, match=rf"{setting}: no architecture"):
        reach(table, tmp_path / "reach.json", *windows)
    assert not (tmp_path / "reach.json").exists()


def test_a_table_of_another_key_is_refused(table, tmp_path, refused_by_key):
    space, made, path = table
    refused_by_key(path, lambda other: reach((space, made, other), tmp_path / "reach.json", (1.0, 1.0e6)))
    assert not (tmp_path / "reach.json").exists()
