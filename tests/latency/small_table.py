"""A latency table of few parts, and a stopwatch with known results."""

import math

from lbt.config import ComputeSettings, DataSettings, LatencySettings, SpaceSettings
from lbt.latency import measuring
from lbt.latency.measuring import TURNS
from lbt.latency.parts import list_space_parts

SPACE = SpaceSettings(layers=4, base_width=2, width_twelfths=(6, 12))
PARTS = list_space_parts(SPACE, 3)
BLOCKS = TURNS * len(PARTS)


SETTINGS = {
    "space": SPACE,
    "data": DataSettings(classes=("road", "car", "sky")),
    "latency": LatencySettings(input_size=(32, 64), min_run_seconds=1e-4),
    "compute": ComputeSettings(device="cpu", threads=1),
}


class Stopwatch:
    """Replaces `time_together`: the n-th block takes n milliseconds.

    It raises KeyboardInterrupt before a group with which there would be more than `stop` blocks.
    """

    def __init__(self, monkeypatch, stop=math.inf):
        self.count, self.stop, self.warm, self.groups = 0, stop, False, []
        monkeypatch.setattr(measuring, "time_together", self)

    def __call__(self, calls, *, threads, seconds):
        if not self.warm:
            self.warm = True
            return [1.0]
        if self.count + len(calls) > self.stop:
            raise KeyboardInterrupt
        self.groups.append(len(calls))
        first, self.count = self.count, self.count + len(calls)
        return [float(number) for number in range(first + 1, self.count + 1)]
