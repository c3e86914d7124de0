import json

import pytest
import torch
from stage_calls import call_stage

from lbt.config import ComputeSettings, DataSettings, LatencySettings, SpaceSettings
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.latency import profiler
from lbt.latency.expected import genotype_latency
from lbt.latency.parts import list_genotype_parts
from lbt.latency.table import read_table
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.network.size import count_macs, count_parameters

SETTINGS = {
    "space": SpaceSettings(layers=5, base_width=2, width_twelfths=(6, 12)),
    "data": DataSettings(classes=("road", "car", "sky")),
    "latency": LatencySettings(input_size=(64, 96), min_run_seconds=1e-4, profile_runs=7),
    "compute": ComputeSettings(device="cpu", threads=1),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a measured table and a genotype."""
    folder = tmp_path_factory.mktemp("profile")
    call_stage("latency", **SETTINGS, table=folder / "table.csv")
    write_json(folder / "genotype.json", genotype().to_json())
    return folder


def genotype():
    return random_genotype(SETTINGS["space"], torch.Generator().manual_seed(0))


def run(folder, **changes):
    call_stage(
        "profile",
        **(SETTINGS | changes),
        genotype=folder / "genotype.json",
        table=folder / "table.csv",
        profile=folder / "profile.json",
    )
    return json.loads((folder / "profile.json").read_text())


def test_profile_holds_measurement_and_prediction(folder):
    profile = run(folder)
    network = Network(genotype(), SETTINGS["space"], 3)
    assert 0 < profile["median_ms"] <= profile["p95_ms"]
    assert profile["fps"] == pytest.approx(1000 / profile["median_ms"])
    assert profile["parameters"] == count_parameters(network)
    assert profile["macs"] == count_macs(network, (64, 96))
    lookup = read_table(folder / "table.csv")
    assert profile["predicted_ms"] == genotype_latency(genotype(), SETTINGS["space"], lookup)
    assert profile["peak_memory_bytes"] is None
    assert profile["key"]["input_width"] == 96


def test_passes_are_counted_by_the_settings(folder, monkeypatch):
    """Seven passes in five turns; in each turn the parts are timed about as long as the network."""
    calls = []

    def passes(module, inputs, *, runs):
        calls.append(runs)
        return [2.0, 4.0, 30.0][:runs]

    def parts(modules, *, threads, seconds):
        calls.append((len(modules), threads, seconds))
        return [float(len(calls))] * len(modules)  # 2 to 10, by turn: the median is 6

    monkeypatch.setattr(profiler, "time_passes", passes)
    monkeypatch.setattr(profiler, "time_prepared", parts)
    profile = run(folder)
    count = len(list_genotype_parts(genotype(), SETTINGS["space"], 3))
    two, one = (count, 1, 6e-3 / count), (count, 1, 2e-3 / count)
    assert calls == [2, two, 2, two, 1, one, 1, one, 1, one]
    assert profile["median_ms"] == 2.0 and profile["p95_ms"] == 4.0
    assert profile["parts_ms"] == 6.0 * count


def test_table_of_another_size_is_refused(folder):
    with pytest.raises(LbtError, match="input_height: 64 in the table, 32 here"):
        run(folder, latency=SETTINGS["latency"].model_copy(update={"input_size": (32, 96)}))


def test_missing_genotype_is_named(folder, tmp_path):
    (tmp_path / "table.csv").write_bytes((folder / "table.csv").read_bytes())
    with pytest.raises(LbtError, match=r"genotype\.json: could not be read"):
        run(tmp_path)
