"""Division of images into parts of given shares, each group as a whole."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence

from lbt.data.sample import Sample
from lbt.errors import LbtError

_TRIALS = 500


class TooFewImages(LbtError):
    """There are fewer images than parts, even without regard to groups."""


def divide(samples: Sequence[Sample], shares: Sequence[float], seed: int) -> list[list[Sample]]:
    """Divide samples into parts without cutting a group; sizes are as near to the shares as a seeded search finds.

    Each deal visits the groups in random order and gives each to the part that lacks most images. The best of several
    deals is kept.

    Args:
        samples: the images.
        shares: share of the images of each part, above 0. If they sum to less than 1, the other images are in no part.
        seed: another seed gives another division.

    Returns:
        The parts, none of them empty, each sorted by id.

    Raises:
        TooFewImages: there are fewer images than parts.
        LbtError: there are fewer groups than parts.
    """
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    if len(samples) < len(shares):
        raise TooFewImages(f"splits: {len(samples)} image(s) cannot fill {len(shares)} parts; add images with masks.")
    if len(groups) < len(shares):
        raise LbtError(
            f"splits: {len(samples)} images in {len(groups)} group(s) ({', '.join(sorted(groups)[:5])}) "
            f"cannot fill {len(shares)} parts, because a group stays whole. Set `data.folder.stretch` higher or "
            "`data.folder.group` finer (folder layout), add cities (Cityscapes layout), or choose a scheme with fewer "
            "parts."
        )
    sizes = {name: len(groups[name]) for name in sorted(groups)}
    targets = [share * len(samples) for share in shares]
    left_out = len(samples) - sum(targets)
    nearest = float("inf")
    best: list[list[str]] = []
    for trial in range(_TRIALS):
        distance, parts = _deal(sizes, targets, left_out, random.Random(f"{seed}/{trial}"))
        if distance < nearest:
            nearest, best = distance, parts
        if nearest <= len(shares) / 4:  # half an image per part, which rounding alone explains
            break
    return [sorted(sample for name in names for sample in groups[name]) for names in best]


def _deal(
    sizes: dict[str, int], targets: list[float], left_out: float, generator: random.Random
) -> tuple[float, list[list[str]]]:
    """Deal the groups once; returns the squared distance from the target sizes and the group names of each part."""
    lacking = [*targets, left_out] if left_out >= 0.5 else list(targets)
    parts: list[list[str]] = [[] for _ in lacking]
    names = list(sizes)
    generator.shuffle(names)
    for dealt, name in enumerate(names):
        empty = [part for part in range(len(targets)) if not parts[part]]
        open_parts = empty if len(names) - dealt <= len(empty) else range(len(lacking))
        part = max(open_parts, key=lacking.__getitem__)
        parts[part].append(name)
        lacking[part] -= sizes[name]
    return sum(lack * lack for lack in lacking), parts[: len(targets)]
