"""Baselines in tables, figures and pages: marked, without what they do not have, and never the best network."""

import csv
import io

import pytest
from made_scores import BUDGETS, make_scores, network

from lbt.config import Settings
from lbt.config.baselines import BASELINES
from lbt.files import write_json
from lbt.views.best_network import FinishedNetwork, Found
from lbt.views.cards import make_card
from lbt.views.equal_networks import find_equal
from lbt.views.figures.tradeoff import draw_tradeoff
from lbt.views.method_styles import method_style
from lbt.views.report_page import collect_facts
from lbt.views.results import read_results
from lbt.views.tables.classes import make_classes_table
from lbt.views.tables.latency import make_latency_table
from lbt.views.tables.miou import make_miou_table, make_summary_table
from lbt.views.tables.timing_noise import warn_of_noise


@pytest.fixture
def with_baselines(networks):
    return [*networks, network("fast_scnn", 0, 0.9, 8.0), network("fast_scnn", 1, 0.8, 8.0)]


def rows_of(table):
    return {(row["method"], row.get("seed", "")): row for row in csv.DictReader(io.StringIO(table.csv()))}


def test_their_cells_are_blank_where_they_have_nothing(with_baselines, constant):
    row = rows_of(make_miou_table(with_baselines, constant, {}, BUDGETS))["fast_scnn", "1"]
    assert (row["supernet_miou"], row["predicted_ms"]) == ("", "")
    assert (row["retrained_miou"], row["latency_ms"], row["parameters"]) == ("0.8", "8", "1000001")
    assert row["budget"] == BUDGETS.baseline
    assert rows_of(make_miou_table(with_baselines, constant, {}, BUDGETS))["lbt", "0"]["budget"] == BUDGETS.method
    row = rows_of(make_latency_table(with_baselines))["fast_scnn", "0"]
    assert row["measured_ms"] == "8" and {row[name] for name in ("predicted_ms", "parts_ms", "error_ms")} == {""}
    rows = csv.DictReader(io.StringIO(make_classes_table(with_baselines, constant).csv()))
    (row,) = [r for r in rows if (r["method"], r["seed"], r["class"]) == ("fast_scnn", "0", "car")]
    assert (row["supernet_iou"], row["retrained_iou"]) == ("", "0.1")


def test_the_summary_marks_them_as_not_searched_and_says_their_budget(with_baselines, networks, constant):
    table = make_summary_table(with_baselines, constant, {}, BUDGETS)
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(table.csv()))}
    assert rows["fast_scnn"]["role"] == "baseline" and rows["lbt"]["role"] == "searched"
    shown = table.shown.set_index("method")
    assert shown.loc["fast_scnn (not searched)", ["supernet mIoU", "retrained mIoU"]].tolist() == ["", "85.0 ± 7.1"]
    assert "Their budget: retraining alone." in table.note
    assert "Baselines" not in make_summary_table(networks, constant, {}, BUDGETS).note


def test_two_seeds_of_a_baseline_are_no_coincidence(with_baselines):
    assert find_equal(with_baselines) == {}


def test_disturbed_latencies_are_judged_by_the_networks_that_have_a_prediction(with_baselines, networks):
    """The prediction of the networks is 0.5 ms too low, so a baseline without one must not change the mean."""
    assert warn_of_noise(with_baselines[2:]) == warn_of_noise(networks[2:])
    assert warn_of_noise([n for n in with_baselines if n.method == "fast_scnn"]) is None
    assert warn_of_noise([network("fast_scnn", 0, 0.5, 2.0)]).startswith("The machine was busy")


def test_the_figure_has_a_mark_and_no_predicted_stroke(with_baselines, networks):
    few, all_of_them = draw_tradeoff(networks, None), draw_tradeoff(with_baselines, None)
    for figure in (few, all_of_them):
        assert len([line for line in figure.axes[0].lines if line.get_markersize() == 11]) == len(networks)
    assert "fast_scnn (not searched), mean of 2 seeds" in [text.get_text() for text in all_of_them.legends[0].texts]


def test_every_baseline_has_a_style_of_its_own():
    names = ("fasterseg", "lbt", "lpt", "random", *BASELINES)
    styles = [method_style(name, names) for name in names]
    assert len({style.marker for style in styles}) == len({style.line for style in styles}) == len(names)
    assert [method_style(name, [name]) for name in BASELINES] == styles[4:]


@pytest.fixture
def finished(tmp_path):
    def make(method, miou, fps):
        profile = network(method, 0, miou, 1e3 / fps).profile
        return FinishedNetwork(method, 0, make_scores(miou), profile, tmp_path, tmp_path / "network.pt")

    return make


@pytest.mark.parametrize("window", [None, (10.0, 60.0), (500.0, 600.0)])
def test_the_best_network_is_one_of_a_method(finished, window):
    baseline, better, worse = finished("fast_scnn", 0.9, 50), finished("lbt", 0.5, 50), finished("lpt", 0.4, 50)
    found = Found([baseline, worse, better], (), window)
    assert found.best is better and "baseline" not in found.describe_rank(better)
    assert found.describe_rank(baseline).startswith("The best network of this run is lbt, seed 0. This is a baseline,")
    alone = Found([baseline], (), window)
    assert alone.best is None


def test_what_is_said_of_the_methods_does_not_hold_of_the_baselines(finished):
    baseline, searched = finished("fast_scnn", 0.9, 50), finished("lbt", 0.5, 50)
    assert Found([baseline, searched], (), None).describe_choice() == "The only network of the methods."
    assert Found([searched], (), None).describe_choice() == "The only network."
    outside = Found([finished("fast_scnn", 0.9, 550), searched], (), (500.0, 600.0)).describe_choice()
    assert outside.startswith("No network of the methods is inside")
    assert "; this is the highest mIoU of them all." in outside


def test_the_card_names_the_publication(finished):
    baseline = finished("fast_scnn", 0.4, 50)
    card = make_card(baseline, Found([baseline], (), None), "data", None)
    assert card.startswith("# fast_scnn, seed 0 (not searched)\n")
    assert "Fast-SCNN (Poudel et al., BMVC 2019), trained from random weights" in card
    assert "architecture.png" not in card and "predicted" not in card


def test_results_of_methods_and_baselines_are_read_together(tmp_path, tiny):
    from torch import Generator

    from lbt.network.random_genotype import random_genotype

    files = {name: [] for name in ("supernet", "network", "profile", "genotype")}
    for method in ("fast_scnn", "lbt"):
        made = network(method, 0, 0.5, 5.0)
        content = {"network": make_scores(0.5), "profile": made.profile}
        if method == "lbt":
            content |= {"supernet": make_scores(0.4)}
            content |= {"genotype": random_genotype(tiny.settings.space, Generator().manual_seed(0)).to_json()}
        for name, value in content.items():
            path = tmp_path / name / method / "seed-0" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, value)
            files[name].append(path)
    baseline, searched = read_results(**files, space=tiny.settings.space)
    assert (baseline.method, baseline.supernet, searched.method) == ("fast_scnn", None, "lbt")
    assert searched.supernet["miou"] == 0.4 and baseline.network["miou"] == searched.network["miou"] == 0.5


def test_the_report_names_them():
    facts = collect_facts(Settings(baselines=("fast_scnn",)))
    assert facts["methods"].endswith("random (control), fast_scnn (not searched)")
    assert any("Baselines were not searched" in caveat for caveat in facts["caveats"])
