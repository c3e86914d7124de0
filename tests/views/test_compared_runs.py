"""Runs side by side: numbers by run and method, the settings that differ, and refusals of other evaluation data."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
import torch
from made_scores import KEY, make_scores

from lbt.__main__ import main
from lbt.config import SpaceSettings
from lbt.files import write_json, write_text
from lbt.network.random_genotype import random_genotype
from lbt.provenance.manifest import write_manifest
from lbt.views.best_network import find_networks
from lbt.views.compared_runs import find_differing_settings, read_runs
from lbt.views.figures.runs import draw_runs
from lbt.views.runs_table import make_runs_table

SPLIT = "image_id,image,label,group,role\ne0,e0.png,e0m.png,e,evaluation\ne1,e1.png,e1m.png,e,evaluation\n"
SETTINGS = "run: {name}\nspace: {{layers: 6, base_width: 4}}\nsearch: {{{search}}}\n"
PROFILE = {"p95_ms": 9.0, "predicted_ms": 7.5, "parts_ms": 7.5, "parameters": 400_000, "macs": 5 * 10**7, "key": KEY}


def make_run(folder, miou, search="", *, split=SPLIT, code="c0de", first=0, images=None):
    """A run; `miou` has a value for each seed of each method."""
    write_text(folder / "settings.yaml", SETTINGS.format(name=folder.name, search=search))
    write_text(folder / "data" / "split.csv", split)
    space = SpaceSettings(layers=6, base_width=4)
    for place, (method, values) in enumerate(miou.items()):
        for seed, value in enumerate(values):
            where = f"{method}/seed-{seed}"
            scores = folder / "evaluate" / where / "network.json"
            write_json(scores, make_scores(value))
            write_json(scores.with_name("supernet.json"), make_scores(value / 2))
            write_json(folder / "profile" / where / "profile.json", PROFILE | {"median_ms": 8.0 + seed, "fps": 120.0})
            draw = torch.Generator().manual_seed(first + 10 * place + seed)
            write_json(folder / "derive" / where / "genotype.json", random_genotype(space, draw).to_json())
            write_manifest(
                scores.with_name(".manifest-network.json"),
                stage="evaluate_network",
                settings={"method": method},
                code=f"{code} and that of {method}",
                images=images,
                inputs={},
                outputs=[scores],
            )
    return folder


@pytest.fixture
def runs(tmp_path):
    return [
        make_run(tmp_path / "all", {"lbt": (0.5, 0.7), "random": (0.4,)}),
        make_run(tmp_path / "half", {"lbt": (0.2, 0.4)}, "pseudo_labels: {ratio: 0.5}", first=50),
    ]


def test_a_row_per_run_and_method_and_in_the_csv_per_network(runs, tmp_path, capsys):
    assert main(["compare", *map(str, runs), "--output", str(tmp_path / "out")]) == 0
    table = make_runs_table(read_runs(runs))
    shown = [dict(row) for _, row in table.shown.iterrows()]
    assert [(row["run"], row["method"], row["seeds"]) for row in shown] == [
        *(("all", "lbt", "2"), ("all", "random (control)", "1"), ("half", "lbt", "2")),
    ]
    assert [row["retrained mIoU"] for row in shown] == ["60.0 ± 14.1", "40.0", "30.0 ± 14.1"]
    assert [row["latency (ms)"] for row in shown] == ["8.50 ± 0.71", "8.00", "8.50 ± 0.71"]
    assert [row["search.pseudo_labels.ratio"] for row in shown] == ["null", "null", "0.5"]
    with open(tmp_path / "out" / "compare.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["seed"], float(row["retrained_miou"])) for row in rows if row["method"] == "lbt"] == [
        *(("all", "0", 0.5), ("all", "1", 0.7), ("half", "0", 0.2), ("half", "1", 0.4)),
    ]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"compare.{ending}" for ending in ("csv", "html", "md", "svg", "png")
    }
    assert "60.0 ± 14.1" in capsys.readouterr().out and not (runs[0] / "tables").exists()


def test_the_figure_has_the_networks_of_all_runs(runs):
    figure = draw_runs(read_runs(runs))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"all: lbt, mean of 2 seeds", "half: lbt, mean of 2 seeds", "all: random (control)"} <= set(labels)
    assert not any("wanted" in label for label in labels)
    points = {
        tuple(map(float, dots.get_offsets()[0])) for dots in figure.axes[0].collections if len(dots.get_offsets())
    }
    assert {(8.0, 50.0), (9.0, 70.0), (8.0, 40.0), (8.0, 20.0), (9.0, 40.0)} <= {(x, round(y, 6)) for x, y in points}


def test_settings_without_effect_names_and_seeds_do_not_count(tmp_path):
    one = make_run(tmp_path / "one", {"lbt": (0.5,)})
    two = make_run(tmp_path / "two", {"lbt": (0.5,)}, "shards: 3, keep_every: 7", first=5)
    runs = read_runs([one, two])
    assert find_differing_settings(runs) == {"search.shards": [1, 3]}
    many = [replace(run, settings={f"k{i}": (run.name, i) for i in range(6)}) for run in runs]
    table = make_runs_table(many)
    assert "k3" in table.shown and "k4" not in table.shown and {"k4", "k5"} <= set(table.values)
    assert "differ in 6 settings" in table.warnings[0] and "`k4`, `k5`" in table.note
    assert "same settings" in make_runs_table([runs[0], replace(runs[0], name="x")]).note


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"split": SPLIT.replace("e1", "e2")}, "names of the images"),
        ({"images": {"evaluation": "another digest"}}, "contents of the images"),
    ],
)
def test_other_evaluation_images_are_refused(tmp_path, capsys, change, named):
    first = make_run(tmp_path / "a", {"lbt": (0.5,)}, images={"evaluation": "a digest"})
    other = make_run(tmp_path / "b", {"lbt": (0.5,)}, **{"images": {"evaluation": "a digest"}} | change)
    assert main(["compare", str(first), str(other)]) == 1
    assert f"a and b were scored on other data (the {named} differ)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"iou": {"road": 0.1, "bus": 0.1, "sign": None}}, "classes"),
        ({"confusion": [[60, 21, 0], [5, 10, 5], [0, 0, 0]]}, "labelled pixels of the classes"),
    ],
)
def test_other_classes_and_masks_are_refused(runs, capsys, change, named):
    for path in runs[1].glob("evaluate/*/*/network.json"):
        write_json(path, json.loads(path.read_text()) | change)
    assert main(["compare", *map(str, runs)]) == 1
    assert f"(the {named} differ)" in capsys.readouterr().err


def test_other_predictions_on_the_same_masks_are_not(runs):
    for path in runs[1].glob("evaluate/*/*/network.json"):
        write_json(path, json.loads(path.read_text()) | {"confusion": [[20, 60, 0], [0, 20, 0], [0, 0, 0]]})
    assert len(read_runs(runs)) == 2


def test_other_code_and_devices_and_equal_networks_are_warned_of(tmp_path):
    one = make_run(tmp_path / "one", {"lbt": (0.5, 0.5)})
    two = make_run(tmp_path / "two", {"lbt": (0.4, 0.5)}, code="other")
    for path in two.glob("profile/*/*/profile.json"):
        write_json(path, json.loads(path.read_text()) | {"key": KEY | {"device": "another_one"}})
    warnings = " ".join(make_runs_table(read_runs([one, two])).warnings).replace("\\", "")
    assert "Not all runs were made by the same code (evaluate_network)." in warnings
    assert "in 2 ways" in warnings and "another_one" in warnings
    assert "two: lbt, seed 0, is the same network as one: lbt, seed 0: their difference is noise." in warnings


def test_a_further_method_is_no_other_code(runs):
    assert not any("same code" in warning for warning in make_runs_table(read_runs(runs)).warnings)


def test_equal_networks_of_other_settings_are_not_said_to_differ_by_noise_alone(tmp_path):
    one = make_run(tmp_path / "one", {"lbt": (0.5,)})
    two = read_runs([one, make_run(tmp_path / "two", {"lbt": (0.4,)}, "epochs: 7")])
    expected = "two: lbt, seed 0, is the same network as one: lbt, seed 0: their difference is noise or due to"
    table = make_runs_table(two)
    assert expected in " ".join(table.warnings)
    assert table.shown["search.epochs"][1] == "7"  # a float, which people write without its point
    assert expected in " ".join(draw_runs(two).get_suptitle().split())


def test_a_copy_of_a_seed_is_left_out(tmp_path):
    folders = [make_run(tmp_path / name, {"lbt": (0.5,)}) for name in ("one", "two")]
    shutil.copytree(folders[0] / "evaluate/lbt/seed-0", folders[0] / "evaluate/lbt/seed-0 (copy)")
    assert [len(run.networks) for run in read_runs(folders)] == [1, 1]
    assert len(find_networks(folders[0]).networks) == 1


def test_what_is_no_run_to_compare_is_refused(runs, tmp_path, capsys):
    empty = make_run(tmp_path / "empty", {})
    twins = make_run(tmp_path / "elsewhere" / "all", {"lbt": (0.5,)})
    cases = {
        (runs[0],): "is the only run",
        (runs[0], runs[0]): "named twice",
        (runs[0], empty): "empty: has no finished network. Finish the run",
        (runs[0], tmp_path / "nothing"): "settings.yaml: is missing, so no run has started in",
    }
    for folders, message in cases.items():
        assert main(["compare", *map(str, folders)]) == 1
        assert message in capsys.readouterr().err
    assert [run.name for run in read_runs([runs[0], twins])] == [str(runs[0]), str(twins)]
    (runs[1] / "data" / "manifest.json").write_text("{}")
    assert main(["compare", *map(str, runs)]) == 1
    assert "older version" in capsys.readouterr().err
