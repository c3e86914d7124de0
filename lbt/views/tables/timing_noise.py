"""Whether latencies look as if other work, or another speed of the machine, disturbed them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from lbt.views.results import Scored

TAIL = 1.3
"""Greatest 95th percentile of a network on a quiet machine, in medians."""
ERROR = 15.0
"""Greatest mean error of the prediction on a quiet machine, in percent."""
SPREAD = 10.0
"""Greatest difference of a quiet machine's speed between two networks, in percent."""

_TABLE, _NETWORKS = "latency`, which searches again too,", "profile`"


def error_percent(network: Scored) -> float:
    """Predicted minus measured latency in percent of the measured one."""
    return _percent(network.profile["predicted_ms"], network.profile["median_ms"])


def busy_warning(networks: Sequence[Scored]) -> str | None:
    """What speaks for disturbed latencies, in words, and which measurement to repeat; None where nothing does.

    Many slow passes speak for a busy machine. Where the parts of one network, timed beside it, took longer than those
    of another, both as multiples of the table's times, the machine changed its speed from one network to the other. A
    wrong prediction has one of two causes, which these parts tell apart: the machine's speed changed since the table
    was measured, or the parts do not add up to the network.
    """
    tails = [network.profile["p95_ms"] / network.profile["median_ms"] for network in networks]
    error = mean(abs(error_percent(network)) for network in networks)
    slow, again, said = max(tails) > TAIL, None, []
    if slow:
        again = _NETWORKS
        said.append(
            "The machine was busy when the networks were timed: 5 % of the passes of one took more than "
            f"{max(tails):.2f} times the median."
        )
    speeds = [network.profile["parts_ms"] / network.profile["predicted_ms"] for network in networks]
    spread = _percent(max(speeds), min(speeds))
    if spread > SPREAD:
        again = _NETWORKS
        said.append(
            f"The machine's speed changed by {spread:.0f} % between the networks, as their parts show: their latencies "
            "may differ by as much for this reason alone."
        )
    if error > ERROR:
        found, cause = _cause(networks)
        again = found or again
        said.append(f"Predicted and measured latency differ by {error:.1f} % on average: {cause}")
    if not said:
        return None
    repeat = f"Repeat with `--forcerun {again} on a quiet machine" if again else ""
    trust = "" if spread > SPREAD else f"{', and trust' if again else 'Trust'} the measured latency"
    said.append(f"{repeat}{trust}.")
    return " ".join(said)


def _cause(networks: Sequence[Scored]) -> tuple[str | None, str]:
    """The measurement that a wrong prediction speaks against, None where both are good, and why."""
    profiles = [network.profile for network in networks]
    speed = mean(_percent(profile["parts_ms"], profile["predicted_ms"]) for profile in profiles)
    apart = mean(_percent(profile["parts_ms"], profile["median_ms"]) for profile in profiles)
    if abs(apart) > abs(speed):
        words = f"{abs(apart):.1f} % {'longer' if apart > 0 else 'shorter'}"
        return (
            None,
            f"the parts of the networks, timed beside them, take {words}, so they do not add up on this device.",
        )
    later, words = ("slower", "longer") if speed > 0 else ("faster", "shorter")
    return (
        _NETWORKS if speed > 0 else _TABLE,
        f"the parts of the networks, timed beside them, took {abs(speed):.1f} % {words} than for the latency table. "
        f"The machine was {later}, or {'more' if speed > 0 else 'less'} busy, when the networks were timed.",
    )


def _percent(value: float, reference: float) -> float:
    return 100 * (value - reference) / reference
