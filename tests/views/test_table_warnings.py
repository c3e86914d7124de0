"""Warnings of the tables: a search that hardly searched, and latencies that other work disturbed."""

import csv
import io
import math

import pandas as pd
import pytest
import torch
from made_scores import BUDGETS

from lbt.config import ArchitectureSettings, SpaceSettings
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.space.architecture import architecture_to_json, entropies, first_architecture, initial_architecture
from lbt.views.noise_walk import distances, walk
from lbt.views.tables.decisions import make_decisions_table
from lbt.views.tables.decisiveness import Choices, Movement, read_choices, read_lengths, warn_of_undecided
from lbt.views.tables.latency import make_latency_table
from lbt.views.tables.miou import make_miou_table, make_summary_table
from lbt.views.tables.timing_noise import warn_of_noise

SPACE = SpaceSettings(layers=5, base_width=2, width_twelfths=(6, 12))
ADAM = ArchitectureSettings(lr=0.02)
START = first_architecture(SPACE, 0)
STEPS = 60


def write_search(folder, method, logits):
    """The files of a search of two rounds whose last architecture has the given logits."""
    for number in (1, 2):
        path = folder / method / "seed-0" / f"round-{number}" / "architecture.json"
        path.parent.mkdir(parents=True)
        columns = {"round": number, "architecture_gradient_norm": [0.3] * (STEPS // 2), "skipped_architecture": 0}
        pd.DataFrame(columns).to_csv(path.with_name("metrics.csv"), index=False)
    write_json(path, architecture_to_json(logits))


def read(folder, space=SPACE):
    last = [path / "round-2" / "architecture.json" for path in sorted(folder.glob("*/seed-*"))]
    return read_choices(last, sorted(folder.glob("*/*/*/metrics.csv")), space, ADAM)


def by_noise(start=START):
    """The first copy of the architecture after a walk on noise of another seed."""
    ends = walk(start, [0.3] * STEPS, ADAM, torch.Generator().manual_seed(5))
    return {key: rows[: len(start[key])] for key, rows in ends.items()}


def ahead():
    """Each step of Adam goes the same way: up for the first choice, down for the others."""
    way = {key: -torch.ones_like(rows) for key, rows in START.items()}
    for rows in way.values():
        rows[:, 0] = 1
    return {key: rows + ADAM.lr * STEPS * way[key] for key, rows in START.items()}


def test_choices_are_those_of_the_metrics_and_controls_have_none(tmp_path):
    write_search(tmp_path, "fasterseg", ahead())
    write_search(tmp_path, "lbt", START)
    write_search(tmp_path, "random", START)
    found = read(tmp_path)
    assert list(found) == [("fasterseg", 0), ("lbt", 0)]
    assert found["lbt", 0].operator == pytest.approx(0.2, abs=5e-4)
    assert found["fasterseg", 0].operator == pytest.approx(math.exp(2.4) / (math.exp(2.4) + 4), abs=1e-3)
    expected = entropies(ahead())
    assert {kind: moved.entropy for kind, moved in found["fasterseg", 0].movements.items()} == pytest.approx(expected)
    assert found["fasterseg", 0].entropy == pytest.approx(sum(expected.values()) / 3, rel=1e-6)


def test_a_search_on_noise_moves_once_as_far_as_noise_and_a_steady_one_further(tmp_path):
    write_search(tmp_path, "fasterseg", ahead())
    write_search(tmp_path, "lbt", by_noise())
    noise, steady = read(tmp_path)["lbt", 0].movements, read(tmp_path)["fasterseg", 0].movements
    for kind in ("alpha", "beta", "gamma"):
        assert noise[kind].ratio == pytest.approx(1, abs=0.35)  # of one architecture of a small space
        assert noise[kind].entropy == pytest.approx(noise[kind].noise_entropy, abs=0.01)
        assert steady[kind].distance == pytest.approx(distances(START, ahead())[kind])
        assert steady[kind].ratio == pytest.approx(steady[kind].distance / noise[kind].noise_distance)
        assert steady[kind].ratio > 5


def test_a_single_width_is_no_choice(tmp_path):
    space = SPACE.model_copy(update={"width_twelfths": (12,)})
    write_search(tmp_path, "lbt", initial_architecture(space, torch.Generator().manual_seed(0)))
    found = read(tmp_path, space)["lbt", 0]
    assert found.entropy > 0.9999 and list(found.movements) == ["alpha", "beta"]


def test_skipped_steps_do_not_count(tmp_path):
    """Step 1 was skipped by the guard, step 3 because the teacher's step had no derivative."""
    path = tmp_path / "metrics.csv"
    path.write_text("architecture_gradient_norm,skipped_architecture\n0.5,0\n0.7,1\n0.6,1\n,1\n0.8,1\n")
    assert read_lengths(path) == [0.5, 0.6, 0.8]
    path.write_text("architecture_gradient_norm,skipped_architecture\n0.7,1\n0.6,1\n")
    assert read_lengths(path) == [0.6]
    path.write_text("skipped_architecture\n0\n")
    with pytest.raises(LbtError, match="lacks the column architecture_gradient_norm"):
        read_lengths(path)


@pytest.fixture
def constant(constant) -> dict:
    """Scores in which each class occurs, so that no warning says otherwise."""
    return constant | {"iou": {"road": 0.4, "car": 0.0}}


def test_a_class_that_is_not_scored_is_said_under_the_table(networks, constant):
    whole = make_summary_table(networks, constant, {}, BUDGETS)
    assert whole.warnings == () and "The mIoU goes over all 2 classes." in whole.note
    table = make_summary_table(networks, constant | {"iou": {"road": 0.4, "car": None, "sign": 0.1}}, {}, BUDGETS)
    assert table.warnings == ("The mIoU goes over 2 of 3 classes: the validation images show no car.",)
    assert (
        "2 of 3 classes" in make_miou_table(networks, constant | {"iou": {"a": None, "b": 0, "c": 0}}, {}, BUDGETS).note
    )


def test_the_warning_names_a_search_that_noise_explains(tmp_path, networks, constant):
    write_search(tmp_path, "fasterseg", ahead())
    write_search(tmp_path, "lbt", by_noise() | {key: rows for key, rows in ahead().items() if "gamma" in key})
    write_search(tmp_path, "random", START)
    choices = read(tmp_path)
    (warning,) = make_summary_table(networks, constant, choices, BUDGETS).warnings
    alpha, beta = (choices["lbt", 0].movements[kind].ratio for kind in ("alpha", "beta"))
    assert warning.startswith(f"A search hardly left its start: lbt (alpha {alpha:.2f}, beta {beta:.2f}).")
    assert "close to random ones" in warning and warning == make_decisions_table(choices).warnings[0]


def test_the_warning_is_of_the_mean_ratio_over_the_seeds():
    """Noise explains more than half of the squared distance below a ratio of 1.414."""

    def seeds(*ratios):
        return {("lbt", s): Choices(0.3, {"alpha": Movement(0.99, ratio, 0.99, 1.0)}) for s, ratio in enumerate(ratios)}

    assert warn_of_undecided(seeds(1.3, 1.6)) is None and warn_of_undecided({}) is None
    assert "lbt (alpha 1.40)" in warn_of_undecided(seeds(1.3, 1.5))
    still = {("lbt", 0): Choices(0.2, {"alpha": Movement(1.0, 0.0, 1.0, 0.0)})}  # all steps were skipped
    assert warn_of_undecided(still) is None


def test_the_csv_has_the_choices_of_the_search(networks, constant):
    choices = {
        ("lbt", seed): Choices(operator, {"alpha": Movement(entropy, distance, 1.0, 0.5)})
        for seed, operator, entropy, distance in ((0, 0.25, 0.5, 1.0), (1, 0.35, 0.7, 2.0))
    }
    for make, ending in ((make_summary_table, "_mean"), (make_miou_table, "")):
        rows = list(csv.DictReader(io.StringIO(make(networks, constant, choices, BUDGETS).csv())))
        names = ("operator_probability", "entropy", "alpha_noise_ratio", "beta_noise_ratio")
        means = [[row[f"{name}{ending}"] for name in names] for row in rows]
        assert means[0] == (["0.3", "0.6", "3", ""] if ending else ["0.25", "0.5", "2", ""])
        assert means[-2:] == [[""] * 4] * 2


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
    assert (
        make_latency_table(networks).warnings
        == make_summary_table(networks, constant, {}, BUDGETS).warnings
        == warnings
    )
    assert words is None or all(word in warning for word in words), warning


def test_one_disturbed_network_is_enough_for_a_warning(networks):
    set_times(networks, 10.0, 11.0, 10.0, 10.0)
    networks[1].profile["p95_ms"] = 13.1
    slow = f"passes of {networks[1].method}, seed {networks[1].seed}, took more than 1.31 times the median"
    assert slow in warn_of_noise(networks)


def test_the_warning_names_a_speed_that_changes_between_networks(networks, constant):
    """The parts took 1.00, 1.09 and 1.00 times, then 1.00, 1.09 and 0.98 times the latency of the table."""
    set_times(networks, 10.0, 11.0, 10.0, 10.0)
    networks[1].profile["parts_ms"] = 10.9
    assert warn_of_noise(networks) is None
    networks[2].profile["parts_ms"] = 9.8
    (warning,) = make_latency_table(networks).warnings
    assert warning.startswith("The machine's speed changed by 11 % between the networks")
    assert warning.endswith("Repeat with `--forcerun profile` on a quiet machine.")
