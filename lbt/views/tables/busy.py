"""Whether latencies look as if other work, or another speed of the machine, disturbed them."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from lbt.views.scored import Scored

TAIL = 1.3
"""Greatest 95th percentile of a network on a quiet machine, in medians."""
ERROR = 15.0
"""Greatest mean error of the prediction on a quiet machine, in percent."""


def error_percent(network: Scored) -> float:
    """Predicted minus measured latency in percent of the measured one."""
    measured = network.profile["median_ms"]
    return 100 * (network.profile["predicted_ms"] - measured) / measured


def busy_warning(networks: Sequence[Scored]) -> str | None:
    """What speaks for disturbed latencies, in words, and which measurement to repeat; None where nothing does.

    Many slow passes speak for a busy machine. A prediction that is too long speaks for a disturbed table, one that is
    too short for disturbed networks; a device on which parts do not add up cannot be told from these.
    """
    tails = [network.profile["p95_ms"] / network.profile["median_ms"] for network in networks]
    errors = [error_percent(network) for network in networks]
    slow, error = max(tails) > TAIL, mean(map(abs, errors))
    if not slow and error <= ERROR:
        return None
    table = error > ERROR and mean(errors) > 0
    disturbed = ["the latency table was"] if table else []
    disturbed += ["the networks were"] if slow or not table else []
    said = []
    if slow:
        said.append(
            "The machine was busy when the networks were timed: 5 % of the passes of one took more than "
            f"{max(tails):.2f} times the median."
        )
    if error > ERROR:
        said.append(
            f"Predicted and measured latency differ by {error:.1f} % on average: the machine was busy or slower when "
            f"{' or '.join(disturbed)} timed, or the parts of a network do not add up on this device."
        )
    again = "latency`, which searches again too," if table else "profile`"
    said.append(f"Repeat with `--forcerun {again} on a quiet machine, and trust the measured latency.")
    return " ".join(said)
