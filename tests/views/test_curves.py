"""Curves: reading of the steps, means and spread, blanks."""

import numpy as np
import pandas as pd
import pytest

from lbt.runtime.metrics_csv import write_metrics
from lbt.views.figures.curves import draw_curves
from lbt.views.figures.panels import GRADIENTS, LOSSES, Panel
from lbt.views.figures.style import use_style
from lbt.views.search_metrics import POINTS, average_by_part, average_by_step, read_steps

LOSS, SKIPPED = Panel("loss", "a loss"), Panel("skipped", "skipped", counts=True)


@pytest.fixture
def files(tmp_path):
    """Two rounds of three steps of two seeds of lbt, one seed of random; skipped counts start at 0 in each round."""
    found = []
    for method, seed in (("lbt", 0), ("lbt", 1), ("random", 0)):
        for number in (2, 1):  # in any order
            rows = [
                {
                    "round": number,
                    "step": step,
                    "loss": 10.0 * number + step + 100 * seed if method == "lbt" or step else float("nan"),
                    "only_lbt": 1.0 if method == "lbt" else float("nan"),
                    "skipped_teacher": step,
                    "skipped_architecture": 1,
                }
                for step in range(3)
            ]
            path = tmp_path / "search" / method / f"seed-{seed}" / f"round-{number}" / "metrics.csv"
            write_metrics(path, rows)
            found.append(path)
    return found


def test_steps_are_read_in_order_and_skipped_updates_add_up(files):
    steps = read_steps(files)
    one = steps[(steps["method"] == "lbt") & (steps["seed"] == 1)]
    assert list(one["place"]) == pytest.approx([1 / 3, 2 / 3, 1, 4 / 3, 5 / 3, 2])
    assert list(one["loss"]) == [110, 111, 112, 120, 121, 122]
    assert list(one["skipped"]) == [1, 2, 3, 4, 5, 6]  # the second round continues from 3
    assert list(one["part"]) == [1, 1, 1, 2, 2, 2]


def test_the_thick_line_is_the_mean_of_the_rounds_and_the_band_the_seeds(files):
    steps = read_steps(files)
    parts = average_by_part(steps[steps["method"] == "lbt"], "loss")
    assert list(parts["place"]) == [1, 2]
    assert list(parts["mean"]) == [61, 71] and list(parts["low"]) == [11, 21] and list(parts["high"]) == [111, 121]
    random = average_by_part(steps[steps["method"] == "random"], "loss")
    assert list(random["mean"]) == [11.5, 21.5]  # the first step of each round is blank


def test_blank_steps_stay_gaps_and_long_searches_are_thinned_out():
    count = 10 * POINTS
    long = pd.DataFrame({"seed": 0, "place": np.arange(count) + 1.0, "loss": np.arange(count, dtype=float)})
    points = average_by_step(long, "loss")
    assert len(points) == POINTS and points["place"].iloc[-1] == count
    assert points["mean"].iloc[0] == np.arange(10).mean()
    long.loc[20:29, "loss"] = np.nan
    assert list(np.flatnonzero(average_by_step(long, "loss")["mean"].isna())) == [2]


def test_a_panel_per_quantity_with_values_from_the_steps(files):
    steps = read_steps(files)
    with use_style():
        figure = draw_curves(steps, (LOSS, Panel("only_lbt", "of lbt"), Panel("absent", "none"), SKIPPED), 2)
    assert [axes.get_title() for axes in figure.axes] == ["a loss", "of lbt", "skipped"]
    loss, only, skipped = figure.axes
    thick = [line for line in loss.lines if line.get_linewidth() > 1 and len(line.get_xdata())]
    drawn = [list(line.get_ydata()) for line in thick]
    assert drawn == [[61, 71], [11.5, 21.5]]
    bands = [band.get_datalim(loss.transData) for band in loss.collections]  # from the smallest to the largest seed
    assert [(band.y0, band.y1) for band in bands] == [(11, 121), (11.5, 21.5)]
    assert sum(len(line.get_xdata()) > 0 for line in only.lines) == 2  # lbt's steps and rounds, nothing of random
    assert max(max(line.get_ydata(), default=0) for line in skipped.lines) == 6
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lbt", "random"]


def test_axes_are_logarithmic_only_where_values_span_decades(files):
    steps = read_steps(files)
    steps["norm"] = 10.0 ** (steps["place"] * 2)
    with use_style():
        figure = draw_curves(steps, (Panel("norm", "n", positive=True), Panel("loss", "l", positive=True)), 2)
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear"]


def test_panels_have_one_x_axis_and_a_single_score_names_its_round(files):
    scores = [{"method": "lbt", "seed": 0, "part": 2, "place": 2, "supernet_miou": 30.0}]
    steps = pd.concat([read_steps(files), pd.DataFrame(scores)], ignore_index=True)
    with use_style():
        figure = draw_curves(steps, (LOSSES[0], LOSS), 2)
    assert [axes.get_title() for axes in figure.axes] == ["supernet: held-out mIoU (%) after round 2", "a loss"]
    for axes in figure.axes:
        assert axes.get_xlim() == (0, 2)
        assert all(tick == int(tick) for tick in axes.get_xticks())
    more = pd.concat([steps, pd.DataFrame(scores).assign(part=1, place=1)], ignore_index=True)
    with use_style():
        figure = draw_curves(more, (LOSSES[0],), 2)
    assert figure.axes[0].get_title() == "supernet: held-out mIoU (%)"


def test_equal_curves_can_be_told_apart(files):
    steps = read_steps(files)
    lbt = steps[steps["method"] == "lbt"]
    with use_style():
        figure = draw_curves(pd.concat([lbt.assign(method=m) for m in ("lbt", "lpt", "fasterseg")]), (LOSS,), 1)
    thick = {line.get_label(): line for line in figure.axes[0].lines if not line.get_label().startswith("_")}
    assert set(thick) == {"lbt", "lpt", "fasterseg"}
    assert len({line.get_marker() for line in thick.values()}) == 3
    assert all(line.get_markerfacecolor() == "none" for line in thick.values())
    assert {m for m, line in thick.items() if not line.is_dashed()} == {"fasterseg"}
    assert all(thick["fasterseg"].get_zorder() < thick[m].get_zorder() for m in ("lbt", "lpt"))


def test_norms_and_skipped_updates_are_shown_together():
    assert {"skipped", "architecture_gradient_norm"} <= {panel.column for panel in GRADIENTS}
