"""Warnings of the tables: a search that hardly searched, and latencies that other work disturbed."""

import csv
import io

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.files import write_json
from lbt.space.architecture import architecture_to_json, entropies, initial_architecture
from lbt.views.tables.decisiveness import Choices, read_choices, warn_of_undecided
from lbt.views.tables.latency import make_latency_table
from lbt.views.tables.miou import make_miou_table, make_summary_table
from lbt.views.tables.timing_noise import warn_of_noise

SPACE = SpaceSettings(layers=5, base_width=2, width_twelfths=(6, 12))
START = initial_architecture(SPACE, torch.Generator().manual_seed(0))


def write_architecture(folder, method, factor, logits=START):
    path = folder / method / "seed-0" / "round-2" / "architecture.json"
    path.parent.mkdir(parents=True)
    write_json(path, architecture_to_json({name: factor * rows for name, rows in logits.items()}))
    return path


def test_choices_are_those_of_the_metrics_and_controls_have_none(tmp_path):
    files = [
        write_architecture(tmp_path, "lbt", 1),
        write_architecture(tmp_path, "fasterseg", 400),
        write_architecture(tmp_path, "random", 1),
    ]
    found = read_choices(files, SPACE)
    assert list(found) == [("lbt", 0), ("fasterseg", 0)]
    assert found["lbt", 0].operator == pytest.approx(0.2, abs=5e-4)
    assert found["fasterseg", 0].operator > 0.27
    expected = entropies({name: 400 * rows for name, rows in START.items()})
    assert found["fasterseg", 0].entropy == pytest.approx(sum(expected.values()) / 3, rel=1e-6)


def test_a_single_width_is_no_choice(tmp_path):
    space = SPACE.model_copy(update={"width_twelfths": (12,)})
    path = write_architecture(tmp_path, "lbt", 1, initial_architecture(space, torch.Generator().manual_seed(0)))
    assert read_choices([path], space)["lbt", 0].entropy > 0.9999


@pytest.fixture
def constant(constant) -> dict:
    """Scores in which each class occurs, so that no warning says otherwise."""
    return constant | {"iou": {"road": 0.4, "car": 0.0}}


def test_a_class_that_is_not_scored_is_said_under_the_table(networks, constant):
    whole = make_summary_table(networks, constant, {}, "b")
    assert whole.warnings == () and "The mIoU goes over all 2 classes." in whole.note
    table = make_summary_table(networks, constant | {"iou": {"road": 0.4, "car": None, "sign": 0.1}}, {}, "b")
    assert table.warnings == ("The mIoU goes over 2 of 3 classes: the validation images show no car.",)
    assert "2 of 3 classes" in make_miou_table(networks, constant | {"iou": {"a": None, "b": 0, "c": 0}}, {}, "b").note


def test_the_warning_names_a_search_that_hardly_left_its_start(tmp_path, networks, constant):
    files = [
        write_architecture(tmp_path, "lbt", 2),
        write_architecture(tmp_path, "fasterseg", 600),
        write_architecture(tmp_path, "random", 1),
    ]
    choices = read_choices(files, SPACE)
    (warning,) = make_summary_table(networks, constant, choices, "b").warnings
    assert warning.startswith("The search of lbt hardly left its start") and "close to random ones" in warning
    assert warn_of_undecided({("lbt", 0): Choices(0.3, 0.98)}) is None


def test_the_csv_has_the_choices_of_the_search(networks, constant):
    choices = {("lbt", 0): Choices(0.25, 0.5), ("lbt", 1): Choices(0.35, 0.7)}
    for make, ending in ((make_summary_table, "_mean"), (make_miou_table, "")):
        rows = list(csv.DictReader(io.StringIO(make(networks, constant, choices, "b").csv())))
        means = [(row[f"operator_probability{ending}"], row[f"entropy{ending}"]) for row in rows]
        assert means[0] == (("0.3", "0.6") if ending else ("0.25", "0.5")) and means[-2:] == [("", ""), ("", "")]


def set_times(networks, median, p95, predicted, parts):
    for network in networks:
        network.profile.update(median_ms=median, p95_ms=p95, predicted_ms=predicted, parts_ms=parts)
    return networks


NETWORKS, TABLE = (
    "Repeat with `--forcerun profile` on a quiet",
    "Repeat with `--forcerun latency`, which repeats the searches",
)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ((10.0, 12.9, 8.6, 10.0), None),
        ((10.0, 12.9, 8.6, 20.0), None),  # the prediction is right
        ((10.0, 13.1, 10.0, 10.0), ("when the networks were timed", "1.31 times the median", NETWORKS)),
        ((10.0, 11.0, 8.0, 10.0), ("20.0 % on average", "took 25.0 % more time", "slower, or more busy", NETWORKS)),
        ((10.0, 11.0, 17.1, 10.0), ("71.0 % on average", "took 41.5 % less time", "faster, or less busy", TABLE)),
        (
            (10.0, 11.0, 6.6, 6.6),
            ("34.0 % on average", "take 34.0 % less time", "do not add up", ". Trust the measured"),
        ),
        (
            (10.0, 11.0, 15.0, 14.0),
            ("50.0 % on average", "take 40.0 % more time", "do not add up", ". Trust the measured"),
        ),
        ((10.0, 20.0, 17.1, 10.0), ("2.00 times the median", "41.5 % less time", TABLE)),
        ((10.0, 20.0, 6.6, 6.6), ("2.00 times the median", "do not add up", NETWORKS)),
    ],
)
def test_the_warning_tells_a_busy_machine_another_speed_and_parts_that_do_not_add_up_apart(
    networks, constant, times, words
):
    warning = warn_of_noise(set_times(networks, *times))
    warnings = () if words is None else (warning,)
    assert make_latency_table(networks).warnings == make_summary_table(networks, constant, {}, "b").warnings == warnings
    assert words is None or all(word in warning for word in words), warning


def test_one_disturbed_network_is_enough_for_a_warning(networks):
    set_times(networks, 10.0, 11.0, 10.0, 10.0)
    networks[1].profile["p95_ms"] = 13.1
    assert "1.31 times the median" in warn_of_noise(networks)


def test_the_warning_names_a_speed_that_changes_between_networks(networks, constant):
    """The parts took 1.00, 1.09 and 1.00 times, then 1.00, 1.09 and 0.98 times the latency of the table."""
    set_times(networks, 10.0, 11.0, 10.0, 10.0)
    networks[1].profile["parts_ms"] = 10.9
    assert warn_of_noise(networks) is None
    networks[2].profile["parts_ms"] = 9.8
    (warning,) = make_latency_table(networks).warnings
    assert warning.startswith("The machine's speed changed by 11 % between the networks")
    assert warning.endswith("Repeat with `--forcerun profile` on a quiet machine.")
