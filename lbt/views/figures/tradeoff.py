"""Accuracy against latency: networks, means of the methods, and the constant prediction as a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from lbt.views.figures.style import draw_grid, method_style, write_label
from lbt.views.results import CONTROLS, NetworkResult, group_by_method
from lbt.views.tables.formats import mean_and_deviation
from lbt.views.tables.latency import describe_form


def draw_tradeoff(networks: Sequence[NetworkResult], constant: Mapping[str, Any]) -> Figure:
    """A mark per network at its measured milliseconds and its mIoU after retraining in percent.

    A method with several seeds has small marks for its networks and a large mark at their mean, with bars of one
    standard deviation.
    """
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    groups = group_by_method(networks)
    for method, group in groups.items():
        style = method_style(method, list(groups))
        latency = [n.profile["median_ms"] for n in group]
        accuracy = [100 * n.network["miou"] for n in group]
        label = f"{method} (control)" if method in CONTROLS else method
        single = len(group) == 1
        face = style.color if single else "none"
        axes.scatter(
            latency,
            accuracy,
            s=64 if single else 26,
            marker=style.marker,
            facecolor=face,
            edgecolor=style.color,
            label=label if single else None,
            zorder=3,
        )
        if not single:
            (x, dx), (y, dy) = mean_and_deviation(latency), mean_and_deviation(accuracy)
            axes.errorbar(
                [x], [y], xerr=[dx], yerr=[dy], color=style.color, marker=style.marker, markersize=9, capsize=3,
                linewidth=1.2, label=f"{label}, mean of {len(group)} seeds", zorder=4,
            )  # fmt: skip
    axes.axhline(100 * constant["miou"], color="#444444", linestyle=":", linewidth=1.2)
    axes.annotate(
        f"constant prediction ({write_label(constant['class'])}): {100 * constant['miou']:.1f} %",
        (0.01, 100 * constant["miou"]),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        fontsize=8,
        color="#444444",
    )
    forms = "; ".join(sorted({describe_form(network) for network in networks}))
    axes.set(xlabel=f"measured latency (ms, median; {forms})", ylabel="retrained mIoU (%)")
    axes.margins(x=0.12, y=0.15)
    draw_grid(axes)
    axes.legend(loc="best", fontsize=8, frameon=True, framealpha=0.9, edgecolor="none")
    return figure
