"""Steering of a search into the window of frames per second that a user asks for."""

from __future__ import annotations

from lbt.config import SpaceSettings, Window
from lbt.latency.expected import genotype_latency
from lbt.latency.table import LatencyTable
from lbt.network.genotype import Genotype


def predict_fps(genotype: Genotype, space: SpaceSettings, table: LatencyTable) -> float:
    """Frames per second of a derived network by the table's milliseconds."""
    return 1000 / genotype_latency(genotype, space, table)


def steer(latency_weight: float, fps: float, window: Window) -> float:
    """The weight of the latency for the next round: FasterSeg's controller.

    It halves at the upper end of the window and above, doubles at the lower end and below, and stays in between.

    Args:
        latency_weight: the weight of the round that has ended.
        fps: frames per second predicted for the network derived after it.
        window: least and most frames per second wanted.
    """
    least, most = window
    return latency_weight / 2 if fps >= most else latency_weight * 2 if fps <= least else latency_weight
