"""Steer a search into the user's window of frames per second by changing the weight of the latency."""

from __future__ import annotations

from lbt.config import SpaceSettings, Window
from lbt.latency.expected import genotype_latency
from lbt.latency.table import LatencyTable
from lbt.network.genotype import Genotype


def predict_fps(genotype: Genotype, space: SpaceSettings, table: LatencyTable) -> float:
    """Frames per second of a derived network by the table's milliseconds."""
    return 1000 / genotype_latency(genotype, space, table)


def steer(latency_weight: float, fps: float, window: Window) -> float:
    """The weight of the latency for the next round, by FasterSeg's controller.

    The weight halves if `fps` is at the upper end of the window or above. It doubles at the lower end or below, and
    does not change in between.

    Args:
        latency_weight: weight of the finished round.
        fps: frames per second predicted for the network derived after this round.
        window: least and most frames per second that the user wants.
    """
    least, most = window
    return latency_weight / 2 if fps >= most else latency_weight * 2 if fps <= least else latency_weight
