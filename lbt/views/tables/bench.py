"""The table of `lbt bench`: networks in every form in which they can be deployed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lbt.views.tables.formats import Column, Table, escape_markdown, format_columns, format_percent

_COLUMNS = {
    "network": Column("network"),
    "backend": Column("backend"),
    "precision": Column("precision"),
    "median_ms": Column("latency (ms)", "{:.1f}".format),
    "fps": Column("FPS", "{:.1f}".format),
    "speedup": Column("speed-up", "{:.2f}".format),
    "memory_bytes": Column("memory (MB)", lambda value: f"{value / 1e6:.0f}"),
    "miou": Column("mIoU (%)", format_percent),
}


def make_bench_table(rows: Sequence[Mapping[str, Any]], where: str) -> Table:
    """A row per network and form.

    Args:
        rows: of `lbt.evaluation.bench.time_entries`.
        where: device, threads and input size, in words.
    """
    values = pd.DataFrame(list(rows))
    note = (
        f"Measured on: {escape_markdown(where)}. Median of single passes from an image to the class of each pixel; all "
        "rows took turns. The backend `plain` is PyTorch's eager mode with separate BatchNorm and NCHW features. In "
        "all other forms BatchNorm is folded into the convolutions, and PyTorch's features are channels-last. On a CPU "
        "`eager` and `onnxruntime` enlarge logits only near the borders of classes. Speed-up: time of the same "
        "network's `plain` form divided by this one's, the median over the turns. Memory: what a pass takes at once "
        "beyond the weights. mIoU: on the held-out images; networks without one have random weights, or were not "
        "scored."
    )
    return Table("bench", "Networks by backend and precision", note, values, format_columns(values, _COLUMNS))
