"""Whether latencies look as if other work disturbed the clock."""

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
    """What speaks for a busy machine, in words, and which measurement to repeat; None where nothing does.

    A prediction that is too long speaks for a disturbed table, one that is too short for disturbed networks.
    """
    tails = [network.profile["p95_ms"] / network.profile["median_ms"] for network in networks]
    errors = [error_percent(network) for network in networks]
    slow, error = max(tails) > TAIL, mean(map(abs, errors))
    if not slow and error <= ERROR:
        return None
    table = error > ERROR and mean(errors) > 0
    what = [
        name for name, disturbed in (("the latency table", table), ("the networks", slow or not table)) if disturbed
    ]
    signs = [f"5 % of the passes of a network took more than {max(tails):.2f} times the median"] if slow else []
    if error > ERROR:
        signs.append(f"predicted and measured latency differ by {error:.1f} % on average")
    again = "latency`, which searches again too," if table else "profile`"
    return (
        f"The machine seems to have been busy when {' and '.join(what)} were timed: {' and '.join(signs)}. Repeat with "
        f"`--forcerun {again} on a quiet machine."
    ).replace("table were", "table was")
