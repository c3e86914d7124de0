"""Latency of the derived networks: predicted by the lookup table, and measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lbt.inference.summary import count_threads
from lbt.views.equal_networks import find_equal, say_equal
from lbt.views.results import NetworkResult
from lbt.views.tables.formats import Column, Table, format_columns
from lbt.views.tables.timing_noise import error_percent, warn_of_noise

_COLUMNS = {
    "method": Column("method"),
    "seed": Column("seed"),
    "measured_ms": Column("measured (ms)", "{:.2f}".format),
    "p95_ms": Column("p95 (ms)", "{:.2f}".format),
    "predicted_ms": Column("predicted (ms)", "{:.2f}".format),
    "parts_ms": Column("parts now (ms)", "{:.2f}".format),
    "error_ms": Column("error (ms)", "{:+.2f}".format),
    "error_percent": Column("error (%)", "{:+.1f}".format),
}


_BLANK = "The table has no parts of baselines, so their other cells are blank. "


def make_latency_table(networks: Sequence[NetworkResult]) -> Table:
    """A row per network: measured and predicted latency, and predicted minus measured."""
    rows = []
    for network in networks:
        measured, predicted = network.profile["median_ms"], network.profile["predicted_ms"]
        error = float("nan") if predicted is None else predicted - measured
        row = {"method": network.method, "seed": network.seed, "measured_ms": measured}
        row |= {name: network.profile[name] for name in ("p95_ms", "predicted_ms", "parts_ms")}
        rows.append(row | {"error_ms": error, "error_percent": error_percent(network)})
    values = pd.DataFrame(rows).astype({"predicted_ms": float, "parts_ms": float})
    absolute = values["error_percent"].abs()
    devices = "; ".join(sorted({describe_device(network.profile) for network in networks}))
    note = (
        "Measured: median of single passes of one image through the derived network with random weights, as it is "
        "deployed: BatchNorm is folded into the convolutions. p95: their 95th percentile. Predicted: sum over the "
        "lookup table that steers the search. Parts now: the same sum over parts that were timed between these passes, "
        "at the machine's speed of that moment. Error: predicted minus measured, also in percent of the measured "
        f"median; its absolute value is {absolute.mean():.1f} % on average and {absolute.max():.1f} % at most. "
        f"{_BLANK if values['predicted_ms'].isna().any() else ''}Measured on: {devices}."
    )
    warnings = tuple(filter(None, [*say_equal(find_equal(networks)), warn_of_noise(networks)]))
    people = format_columns(values, _COLUMNS)
    return Table("latency", "Latency predicted against measured", note, values, people, warnings)


def describe_device(profile: Mapping[str, Any]) -> str:
    """Device, backend, precision, threads, input size and software of a profile, in words."""
    key = profile["key"]
    return (
        f"{key['device']}, {describe_form(profile)}, {count_threads(key['threads'])}, "
        f"{key['input_height']} x {key['input_width']} pixels (height x width), {key['software']}"
    )


def describe_form(profile: Mapping[str, Any]) -> str:
    """Backend and precision of a profile, in words."""
    key = profile["key"]
    return f"{key['backend']}, {key['precision']}"
