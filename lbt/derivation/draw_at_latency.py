"""Draw a random genotype at a given latency: the control that runs as fast as the searched network."""

from __future__ import annotations

from itertools import islice

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.latency.costs import NetworkCosts
from lbt.latency.expected import genotype_latency
from lbt.latency.table import LatencyTable
from lbt.latency.window import reachable_latency
from lbt.network.genotype import Genotype
from lbt.network.random_genotype import draw_random_branches, random_genotype, to_genotype
from lbt.runtime.seeding import generator

DRAWS = 200_000


def draw_genotype(
    space: SpaceSettings, table: LatencyTable, window_ms: tuple[float, float] | None, seed: int
) -> Genotype:
    """Draw a genotype like `random_genotype`, but with a predicted latency inside a window.

    Draws outside the window are rejected, so the result is uniform over the genotypes inside.

    Args:
        space: the search space.
        table: predicts the latency.
        window_ms: least and most milliseconds, inclusive; None allows any latency.
        seed: the same seed gives the same genotype.

    Raises:
        LbtError: no network meets the window, or none of 200,000 draws does; the message names the reachable range.
    """
    draws = generator(seed, "random genotype")
    if window_ms is None:
        return random_genotype(space, draws)
    least, most = window_ms
    reach = reachable_latency(space, table)
    if most < reach[0] or least > reach[1]:
        raise LbtError(
            f"{table.path}: no architecture of the space has a predicted latency of {least:.4g} to {most:.4g} ms. They "
            f"reach {reach[0]:.4g} to {reach[1]:.4g} ms. Change `search.random_match`, `search.fps` or the space."
        )
    costs, seen = NetworkCosts(space, table), []
    for branches in islice(draw_random_branches(space, draws), DRAWS):
        milliseconds = costs.milliseconds(branches)
        if least <= milliseconds <= most:
            # A sum in another order rounds differently. The sum that other stages compare with the window decides.
            genotype = to_genotype(branches)
            if least <= genotype_latency(genotype, space, table) <= most:
                return genotype
        seen.append(milliseconds)
    raise LbtError(
        f"{table.path}: a predicted latency of {least:.4g} to {most:.4g} ms can be reached ({reach[0]:.4g} to "
        f"{reach[1]:.4g} ms), but none of {DRAWS} random architectures has it. Theirs is {min(seen):.4g} to "
        f"{max(seen):.4g} ms. Raise `search.random_tolerance`, widen `search.fps`, or set `search.random_match` to "
        "another method or `none`."
    )
