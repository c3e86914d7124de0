"""The frames per second that a search space can reach, and the check of a user's window against them."""

from __future__ import annotations

from lbt.config import SpaceSettings, Window
from lbt.errors import LbtError
from lbt.latency.costs import NetworkCosts
from lbt.latency.least_cost import LeastCost
from lbt.latency.table import LatencyTable
from lbt.network.genotype import BRANCH_SCALES


def check_window(fps: Window, space: SpaceSettings, table: LatencyTable, setting: str) -> None:
    """Refuse a window that no network of the space can meet.

    Args:
        fps: least and most frames per second.
        space: the search space.
        table: measured milliseconds.
        setting: the setting that holds the window, for the message.

    Raises:
        LbtError: the window lies outside of `reachable_latency`, or the table lacks a part of the space.
    """
    fastest, slowest = (1000 / milliseconds for milliseconds in reachable_latency(space, table))
    if fps[0] > fastest or fps[1] < slowest:
        raise LbtError(
            f"{setting}: no architecture of the space runs at {fps[0]:g} to {fps[1]:g} frames per second; by the table "
            f"{table.path} they reach {slowest:.4g} to {fastest:.4g}. Change the window, the space or "
            "latency.input_size."
        )


def reachable_latency(space: SpaceSettings, table: LatencyTable) -> tuple[float, float]:
    """Least and greatest predicted milliseconds of the networks that can be derived with `space.branches`.

    No network lies outside this range if an additional cell never makes a branch faster. The range may be slightly too
    wide. Two branches that part and meet again read the same rows of alpha and gamma there, whereas the range lets each
    branch choose its cells independently.

    Raises:
        LbtError: the table lacks a part of the space.
    """
    costs, choices = NetworkCosts(space, table), BRANCH_SCALES[space.branches]
    fast, slow = LeastCost(costs, 1), LeastCost(costs, -1)
    least = min(fast.with_most_sharing(scales) for scales in choices)
    return float(least), float(max(-slow.with_least_sharing(scales) for scales in choices))
