"""From a searched architecture to a discrete network: derive, or draw at random at the same latency."""

from __future__ import annotations

from pathlib import Path

from lbt.artifacts import read_json, write_json
from lbt.config import SearchSettings, SpaceSettings
from lbt.errors import LbtError
from lbt.latency.expected import genotype_latency
from lbt.latency.table import LatencyTable, read_table
from lbt.seeding import generator
from lbt.space.architecture import architecture_from_json
from lbt.space.derive import derive_genotype
from lbt.space.genotype import Genotype, read_genotype
from lbt.space.random_genotype import random_genotype

DRAWS = 20_000


def run(
    *,
    seed: int,
    method: str,
    space: SpaceSettings,
    search: SearchSettings,
    architecture: Path,
    table: Path,
    output: Path,
    match: Path | None = None,
    log: Path | None = None,
) -> None:
    """Write the genotype of a method: derived from `architecture`, or for `random` drawn to match `match`.

    Args:
        architecture: the logits after the last round.
        match: genotype whose predicted latency a random one must have; None allows any latency.
    """
    latency_table = read_table(table)
    if method == "random":
        target = None if match is None else genotype_latency(read_genotype(match, space), space, latency_table)
        genotype = draw_genotype(space, latency_table, target, search.random_tolerance, seed)
    else:
        genotype = derive_genotype(architecture_from_json(read_json(architecture), space), space)
    predicted = genotype_latency(genotype, space, latency_table)
    write_json(output, genotype.to_json())
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(
            f"derive {method} seed-{seed}: {len(genotype.branches)} branches, {predicted:.3f} ms predicted\n"
        )


def draw_genotype(
    space: SpaceSettings, table: LatencyTable, target_ms: float | None, tolerance: float, seed: int
) -> Genotype:
    """A genotype drawn uniformly from those whose predicted latency is within `tolerance` of `target_ms`.

    Rejection sampling keeps the draw uniform over the space after the constraint.

    Raises:
        LbtError: none of 20,000 draws meets the constraint; the reached range is named.
    """
    draws, seen = generator(seed, "random genotype"), []
    for _ in range(DRAWS):
        genotype = random_genotype(space, draws)
        if target_ms is None:
            return genotype
        predicted = genotype_latency(genotype, space, table)
        if abs(predicted - target_ms) <= tolerance * target_ms:
            return genotype
        seen.append(predicted)
    raise LbtError(
        f"search.random_tolerance: none of {DRAWS} random architectures is within {tolerance:.0%} of {target_ms:.3f} "
        f"ms (they reach {min(seen):.3f} to {max(seen):.3f} ms). Raise the tolerance or set `random_match: none`."
    )
