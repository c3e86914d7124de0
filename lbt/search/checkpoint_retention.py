"""Which rounds keep their full weights: a checkpoint at full scale is about a gigabyte, and most are never read again.

A round needs the checkpoint of the previous round, so the last two are kept. The search continues from one, and can
repeat its last round from the other. The architecture, the metrics and the labels of every round are always kept.
"""

from __future__ import annotations

from pathlib import Path


def keeps_weights(round: int, rounds: int, keep_every: int) -> bool:
    """Whether a search that has finished `rounds` rounds still holds the weights of `round` (from 1)."""
    return round > rounds - 2 or round % keep_every == 0


def drop_weights(checkpoint: Path, round: int, keep_every: int) -> None:
    """Once `round` is saved in `checkpoint`, remove the weights that are not kept any longer."""
    old, folder = round - 2, checkpoint.parent
    path = folder.with_name(f"round-{old}") / checkpoint.name
    named = folder.name == f"round-{round}"  # elsewhere than in a run's folders, nothing is known of older rounds
    if named and old >= 1 and not keeps_weights(old, round, keep_every):
        path.unlink(missing_ok=True)
