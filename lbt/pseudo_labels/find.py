"""Find the rounds of shards below a folder, and the file of probabilities of a shard."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from lbt.data.images import natural_key
from lbt.errors import LbtError

_SOFT = "probability-"
"""How the name of a file of probabilities begins."""


def probabilities_of(shard: Path) -> Path:
    """The file of probabilities of a shard, which exists until the weights of its round are removed."""
    return shard.with_name(_SOFT + shard.name.removeprefix("shard-"))


def find_shards(folder: Path) -> set[Path]:
    """The shards in a folder."""
    return {path for path in folder.glob("*.h5") if not path.name.startswith(_SOFT)}


def find_rounds(place: Path) -> dict[Path, list[Path]]:
    """The shards at or below `place` by the folder of their round, sorted by method, seed and round.

    Args:
        place: a run, a folder of a method, seed or round, a `pseudo_labels` folder, or one shard.

    Raises:
        LbtError: there is none.
    """
    files = [place] if place.is_file() else sorted(place.rglob("*.h5")) if place.is_dir() else []
    files = [path for path in files if not path.name.startswith(_SOFT)]
    if not files and place.is_file():
        raise LbtError(f"{place}: holds the probabilities of a shard. Name the shard-*.h5 beside it, or their folder.")
    if not files:
        raise LbtError(
            f"{place}: {'holds no shard (*.h5)' if place.is_dir() else 'is missing'}. Name a run, such as "
            "results/default, the folder of a round, or a shard. Only methods with pseudo labels have any, such as lbt."
        )
    rounds = defaultdict(list)
    for file in files:
        rounds[file.parent].append(file)
    return {folder: rounds[folder] for folder in sorted(rounds, key=lambda folder: natural_key(str(folder)))}


def find_other_round(folder: Path, number: int) -> Path | None:
    """The `pseudo_labels` folder of another round of the same search, if it exists.

    Args:
        folder: `.../round-<r>/pseudo_labels`.
        number: number of the other round.
    """
    folder = folder.resolve()
    if not re.fullmatch(r"round-\d+", folder.parent.name):
        return None
    other = folder.parent.with_name(f"round-{number}") / folder.name
    return other if other.is_dir() else None
