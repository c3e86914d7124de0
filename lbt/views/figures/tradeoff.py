"""Accuracy against latency: networks, means of the methods, the wanted speed and the constant prediction."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lbt.config import Window
from lbt.views.equal_networks import MOST, NOISE, Name, find_equal, say_equal
from lbt.views.figures.style import WARNING, draw_grid, write_label
from lbt.views.method_styles import MethodStyle, method_style
from lbt.views.results import NetworkResult, group_by_method, mark_role
from lbt.views.tables.formats import mean_and_deviation
from lbt.views.tables.latency import describe_form
from lbt.views.tables.timing_noise import warn_of_noise

WIDTH, HEIGHT = 6.8, 4.8
"""In inches, of a figure with a short legend and short notes."""
GREY = "#444444"
WANTED = "#56B4E9"
LEAST_SPAN = 5.0
"""Least range of mIoU, in points, against which the distance of the constant prediction is measured."""
LINE = 105
"""Characters in a line of the notes."""
_COLUMN = 42
"""Characters of the longest entry of a legend in two columns."""
_LINES = 9
"""Lines of notes and legend that fit into `HEIGHT`."""


def draw_tradeoff(
    networks: Sequence[NetworkResult],
    constant: Mapping[str, Any] | None,
    fps: Window | None = None,
    styles: Mapping[str, MethodStyle] | None = None,
    source: str = NOISE,
) -> Figure:
    """A mark per network at its measured milliseconds and its mIoU after retraining in percent.

    A thin line reaches from the median latency to the 95th percentile; a short stroke shows the predicted latency, if
    there is one. A method with several seeds has small marks for its networks and a large mark at their mean, with bars
    of one standard deviation. Notes below name equal networks and signs of disturbed latencies.

    Args:
        networks: of all methods and seeds.
        constant: scores of the constant prediction; None leaves it out.
        fps: least and most frames per second that are wanted; None draws no window.
        styles: of the methods; None takes those that they have in every figure.
        source: what the difference of equal networks is.
    """
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots()
    groups, same = group_by_method(networks), find_equal(networks)
    for method, group in groups.items():
        style = method_style(method, list(groups)) if styles is None else styles[method]
        for network in group:
            _draw_network(axes, network, style, filled=len(group) == 1)
        label = method + mark_role(method)
        if len(group) == 1:
            label += _mark_equal(group[0], same)
            axes.plot([], [], color=style.color, marker=style.marker, linestyle="", markersize=8, label=label)
        else:
            _draw_mean(axes, group, style, label)
    _label_readings(axes)
    if fps is not None:
        label = f"wanted: {fps[0]:g} to {fps[1]:g} FPS"
        axes.axvspan(1e3 / fps[1], 1e3 / fps[0], color=WANTED, alpha=0.15, linewidth=0, zorder=0, label=label)
    if constant is not None:
        _draw_constant(axes, constant, [100 * network.network["miou"] for network in networks])
    forms = "; ".join(sorted({describe_form(network.profile) for network in networks}))
    axes.set(xlabel=f"measured latency (ms, median; {forms})", ylabel="retrained mIoU (%)")
    axes.margins(x=0.12, y=0.15)
    draw_grid(axes)
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels)) <= _COLUMN else 1
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
    lines = [
        line for note in _list_notes(networks, same, source) for line in textwrap.wrap(note.replace("`", ""), LINE)
    ]
    figure.suptitle("\n".join(lines), fontsize=7.5, color=WARNING, ha="left", x=0.01)
    further = max(0, len(lines) + len(labels) // columns - _LINES)
    figure.set_size_inches(WIDTH, HEIGHT + further / 6)  # so that long lists leave the axes their height
    return figure


def _list_notes(networks: Sequence[NetworkResult], same: Mapping[Name, Name], source: str) -> list[str]:
    """Equal networks, by name if they are few, and signs of disturbed latencies."""
    equal = say_equal(same, source)
    if len(same) > MOST:
        equal = [f"{len(same)} networks are the same as others, which the tables name: their differences are {source}."]
    return [*equal, *filter(None, [warn_of_noise(networks)])]


def _draw_network(axes: Axes, network: NetworkResult, style: MethodStyle, *, filled: bool) -> None:
    profile, accuracy = network.profile, 100 * network.network["miou"]
    latency, face = profile["median_ms"], style.color if filled else "none"
    axes.plot([latency, profile["p95_ms"]], [accuracy] * 2, color=style.color, linewidth=0.9, alpha=0.6, zorder=2)
    if profile["predicted_ms"] is not None:
        axes.plot([profile["predicted_ms"]], [accuracy], color=style.color, marker="|", markersize=11, zorder=2)
    size = 64 if filled else 26
    axes.scatter([latency], [accuracy], s=size, marker=style.marker, facecolor=face, edgecolor=style.color, zorder=3)


def _draw_mean(axes: Axes, group: Sequence[NetworkResult], style: MethodStyle, label: str) -> None:
    x, dx = mean_and_deviation([network.profile["median_ms"] for network in group])
    y, dy = mean_and_deviation([100 * network.network["miou"] for network in group])
    axes.errorbar(
        [x], [y], xerr=[dx], yerr=[dy], color=style.color, marker=style.marker, markersize=9, capsize=3,
        linewidth=1.2, label=f"{label}, mean of {len(group)} seeds", zorder=4,
    )  # fmt: skip


def _label_readings(axes: Axes) -> None:
    """Entries of the legend for the line and the stroke that every network has."""
    axes.plot([], [], color=GREY, linewidth=0.9, label="to the 95th percentile of the passes")
    axes.plot([], [], color=GREY, marker="|", markersize=9, linestyle="", label="predicted latency")


def _mark_equal(network: NetworkResult, same: Mapping[Name, Name]) -> str:
    first = same.get((network.method, network.seed))
    return f", the same network as {first[0]}" if first else ""


def _draw_constant(axes: Axes, constant: Mapping[str, Any], accuracies: Sequence[float]) -> None:
    """A dotted line, or only its text at the lower edge where a line would squeeze the networks."""
    value, low = 100 * constant["miou"], min(accuracies)
    text = f"constant prediction ({write_label(constant['class'])}): {value:.1f} %"
    place: tuple[float, float] = (0.01, value)
    coordinates: Any = ("axes fraction", "data")
    if low - value > max(LEAST_SPAN, max(accuracies) - low):
        text, place, coordinates = f"{text}, below this axis", (0.01, 0.0), "axes fraction"
    else:
        axes.axhline(value, color=GREY, linestyle=":", linewidth=1.2)
    axes.annotate(text, place, xycoords=coordinates, xytext=(0, 3), textcoords="offset points", fontsize=8, color=GREY)
