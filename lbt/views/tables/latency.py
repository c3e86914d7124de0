"""Latency of the derived networks: the lookup table's sum beside the clock."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lbt.views.results import Scored
from lbt.views.tables.table import Column, Table, shown
from lbt.views.tables.timing_noise import busy_warning, error_percent

_COLUMNS = {
    "method": Column("method"),
    "seed": Column("seed"),
    "measured_ms": Column("measured (ms)", "{:.2f}".format),
    "p95_ms": Column("95 % within (ms)", "{:.2f}".format),
    "predicted_ms": Column("predicted (ms)", "{:.2f}".format),
    "parts_ms": Column("parts now (ms)", "{:.2f}".format),
    "error_ms": Column("error (ms)", "{:+.2f}".format),
    "error_percent": Column("error (%)", "{:+.1f}".format),
}


def latency_table(networks: Sequence[Scored]) -> Table:
    """A row per network: measured, predicted and the difference, predicted minus measured."""
    rows = []
    for network in networks:
        measured, predicted = network.profile["median_ms"], network.profile["predicted_ms"]
        row = {"method": network.method, "seed": network.seed, "measured_ms": measured}
        row |= {name: network.profile[name] for name in ("p95_ms", "predicted_ms", "parts_ms")}
        rows.append(row | {"error_ms": predicted - measured, "error_percent": error_percent(network)})
    values = pd.DataFrame(rows)
    absolute = values["error_percent"].abs()
    note = (
        "Median of single passes of one image through the derived network with random weights, the time that 95 % of "
        "them stay within, the sum of the lookup table that steers the search, and the same sum of parts timed between "
        "these passes, at the machine's speed of that moment. Error: predicted minus measured, "
        f"also as a share of the measured median; its absolute value is {absolute.mean():.1f} % on average and "
        f"{absolute.max():.1f} % at most. Measured on: {'; '.join(sorted({where(network) for network in networks}))}."
    )
    warnings = tuple(filter(None, [busy_warning(networks)]))
    return Table("latency", "Latency predicted against measured", note, values, shown(values, _COLUMNS), warnings)


def where(network: Scored) -> str:
    """Device, backend, precision, threads, input size and software of a profile, in words."""
    key = network.profile["key"]
    return (
        f"{key['device']}, {key['backend']}, {key['precision']}, {key['threads']} thread(s), "
        f"{key['input_height']} x {key['input_width']} pixels (height x width), {key['software']}"
    )
