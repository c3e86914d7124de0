"""Signs that other work, or a change of the machine's speed, disturbed the measured latencies."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from lbt.views.results import NetworkResult

TAIL = 1.3
"""Largest 95th percentile of a network on a quiet machine, as a multiple of its median."""
ERROR = 15.0
"""Largest mean error of the prediction on a quiet machine, in percent."""
SPREAD = 10.0
"""Largest change of a quiet machine's speed between two networks, in percent."""

_TABLE, _NETWORKS = "latency`, which repeats the searches too,", "profile`"


def error_percent(network: NetworkResult) -> float:
    """Predicted minus measured latency, in percent of the measured one; NaN without a prediction."""
    predicted = network.profile["predicted_ms"]
    return float("nan") if predicted is None else _change_percent(predicted, network.profile["median_ms"])


def warn_of_noise(networks: Sequence[NetworkResult]) -> str | None:
    """The signs of disturbed latencies in words, and which measurement to repeat; None without a sign.

    Many slow passes indicate a busy machine. The parts of each network were timed beside it. If these times, as
    multiples of the table's, differ between two networks, the machine changed its speed in between. A wrong prediction
    has one of two causes: the machine's speed changed after the table was measured, or the parts do not add up to the
    network. The timed parts tell which. Baselines have no parts.
    """
    tails = [network.profile["p95_ms"] / network.profile["median_ms"] for network in networks]
    slow, again, said = max(tails) > TAIL, None, []
    if slow:
        again = _NETWORKS
        slowest = networks[tails.index(max(tails))]
        said.append(
            f"The machine was busy when the networks were timed: 5 % of the passes of {slowest.method}, seed "
            f"{slowest.seed}, took more than {max(tails):.2f} times the median."
        )
    predicted = [network for network in networks if network.profile["predicted_ms"] is not None]
    speeds = [network.profile["parts_ms"] / network.profile["predicted_ms"] for network in predicted]
    spread = _change_percent(max(speeds), min(speeds)) if speeds else 0.0
    error = mean(abs(error_percent(network)) for network in predicted) if predicted else 0.0
    if spread > SPREAD:
        again = _NETWORKS
        said.append(
            f"The machine's speed changed by {spread:.0f} % between the networks, as their parts show. Their latencies "
            "may differ by as much for this reason alone."
        )
    if error > ERROR:
        found, cause = _find_cause(predicted)
        again = found or again
        said.append(f"Predicted and measured latency differ by {error:.1f} % on average: {cause}")
    if not said:
        return None
    repeat = f"Repeat with `--forcerun {again} on a quiet machine" if again else ""
    trust = "" if spread > SPREAD else f"{', and trust' if again else 'Trust'} the measured latency"
    said.append(f"{repeat}{trust}.")
    return " ".join(said)


def _find_cause(networks: Sequence[NetworkResult]) -> tuple[str | None, str]:
    """The measurement to repeat after a wrong prediction, None if neither is wrong, and the cause in words."""
    profiles = [network.profile for network in networks]
    speed = mean(_change_percent(profile["parts_ms"], profile["predicted_ms"]) for profile in profiles)
    apart = mean(_change_percent(profile["parts_ms"], profile["median_ms"]) for profile in profiles)
    if abs(apart) > abs(speed):
        words = f"{abs(apart):.1f} % {'more' if apart > 0 else 'less'} time"
        return (
            None,
            f"the parts of the networks, timed beside them, take {words} than the networks, so parts do not add up on "
            "this device.",
        )
    later, words = ("slower", "more") if speed > 0 else ("faster", "less")
    return (
        _NETWORKS if speed > 0 else _TABLE,
        f"the parts of the networks, timed beside them, took {abs(speed):.1f} % {words} time than for the latency "
        f"table. The machine was {later}, or {'more' if speed > 0 else 'less'} busy, when the networks were timed.",
    )


def _change_percent(value: float, reference: float) -> float:
    return 100 * (value - reference) / reference
