"""Accuracy against latency of several runs: a colour for each run, a mark for each method."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from lbt.views.compared_runs import ComparedRun, explain_equal, name_networks
from lbt.views.figures.tradeoff import draw_tradeoff
from lbt.views.method_styles import run_style


def draw_runs(runs: Sequence[ComparedRun]) -> Figure:
    """The figure of `draw_tradeoff`, with the wanted window where all runs have the same."""
    methods = sorted({network.method for run in runs for network in run.networks})
    styles = {
        run.name_method(method): run_style(place, method, methods)
        for place, run in enumerate(runs)
        for method in methods
    }
    constant = next((run.constant for run in runs if run.constant is not None), None)
    windows = {run.window for run in runs}
    window = windows.pop() if len(windows) == 1 else None
    return draw_tradeoff(name_networks(runs), constant, window, styles, explain_equal(runs))
