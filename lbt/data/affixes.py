"""Find the prefixes and suffixes by which the stems of images and of their masks differ."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

KEYS = ("image_prefix", "image_suffix", "mask_prefix", "mask_suffix")

_TRIED = 200
_SAME: dict[str, Callable[[str], str]] = {
    "upper and lower case": str.casefold,
    "leading zeros": lambda stem: re.sub(r"0*(\d+)", r"\1", stem),
    "the encoding of accents (NFC, NFD)": lambda stem: unicodedata.normalize("NFC", stem),
    "blanks, hyphens and underscores": lambda stem: re.sub(r"[-_ ]+", "", stem),
    "case, leading zeros or separators": lambda stem: re.sub(r"0*(\d+)|[-_ ]+", r"\1", stem.casefold()),
}


def find_affixes(images: Sequence[str], masks: Sequence[str]) -> dict[str, str] | None:
    """The prefixes and suffixes without which most stems of images equal those of masks.

    Args:
        images: stems of images.
        masks: stems of masks.

    Returns:
        A text for each of `KEYS`; None if at most half of the stems pair. Of several answers that pair equally many
        stems, the one with the fewest and shortest texts.
    """
    if not images or not masks:
        return None
    candidates = {a for a in _candidates(images, masks) if not _cuts_number(a) and not _look_equal(a)}
    found = {affixes: _count_pairs(images, masks, affixes) for affixes in candidates}
    if not found:
        return None
    best = min(found, key=lambda a: (-found[a], sum(map(bool, a)), not _says_mask(a), sum(map(len, a)), a))
    if 2 * found[best] <= min(len(images), len(masks)):
        return None
    return dict(zip(KEYS, best, strict=True))


def describe_loose_match(images: Sequence[str], masks: Sequence[str]) -> str | None:
    """In what most stems differ that no prefix and suffix explains, with an example; None if nothing is found."""
    for what, simplify in _SAME.items():
        of_masks = {simplify(stem): stem for stem in masks}
        pairs = [(stem, of_masks[simplify(stem)]) for stem in images if simplify(stem) in of_masks]
        pairs = [pair for pair in pairs if pair[0] != pair[1]]
        if pairs and 2 * len(pairs) > min(len(images), len(masks)):
            return f"{what} (image {pairs[0][0]}, mask {pairs[0][1]})"
    for what, simplify in _SAME.items():
        if find_affixes(list(map(simplify, images)), list(map(simplify, masks))):
            return f"{what}, and in their beginning or end (image {images[0]}, mask {masks[0]})"
    return None


def _candidates(images: Sequence[str], masks: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """Texts that may be the prefix and suffix of images and the prefix and suffix of masks."""
    image_start, image_end = _common_start(images), _common_end(images)
    mask_start, mask_end = _common_start(masks), _common_end(masks)
    for a in {"", image_start}:
        for b in {"", image_end}:
            for c in {"", mask_start}:
                yield _trim(a, b, c, mask_end)
                yield _trim(a, b, c, "")
                yield from (_trim(a, b, c, d) for d in _frequent(_ends(images, masks, a, b, c)))
            for d in {"", mask_end}:
                reverse = _ends([s[::-1] for s in images], [s[::-1] for s in masks], b[::-1], a[::-1], d[::-1])
                yield from (_trim(a, b, c[::-1], d) for c in _frequent(reverse))


def _ends(images: Sequence[str], masks: Sequence[str], a: str, b: str, c: str) -> Iterator[str]:
    """What follows in masks, after the prefix `c`, on the stem of an image without prefix `a` and suffix `b`."""
    rest = sorted(stem[len(c) :] for stem in masks)
    for stem in images[:_TRIED]:
        core = stem[len(a) : len(stem) - len(b)]
        at = bisect_left(rest, core) if core else len(rest)
        while at < len(rest) and rest[at].startswith(core):
            yield rest[at][len(core) :]
            at += 1


def _cuts_number(affixes: tuple[str, str, str, str]) -> bool:
    """Whether a prefix or suffix takes digits from a number, as the prefix `10` of 101, 102, ..."""
    a, b, c, d = affixes
    return any(text[-1:].isdigit() for text in (a, c)) or any(text[:1].isdigit() for text in (b, d))


def _look_equal(affixes: tuple[str, str, str, str]) -> bool:
    """Whether the texts of images and masks differ in the encoding of accents alone: nobody could tell them apart."""
    a, b, c, d = (unicodedata.normalize("NFC", text) for text in affixes)
    return any(affixes) and (a, b) == (c, d)


def _says_mask(affixes: tuple[str, str, str, str]) -> bool:
    text = (affixes[2] + affixes[3]).lower()
    return any(word in text for word in ("label", "mask", "seg"))


def _frequent(texts: Iterable[str]) -> list[str]:
    return [text for text, _ in Counter(texts).most_common(5)]


def _trim(a: str, b: str, c: str, d: str) -> tuple[str, str, str, str]:
    """The texts without what prefixes end in, and suffixes begin with, in common: that is part of the shared stem."""
    start, end = len(_common_end([a, c])), len(_common_start([b, d]))
    return a[: len(a) - start], b[end:], c[: len(c) - start], d[end:]


def _count_pairs(images: Sequence[str], masks: Sequence[str], affixes: tuple[str, str, str, str]) -> int:
    """The number of images with exactly one mask, if no two images share one."""
    a, b, c, d = affixes
    of_images, of_masks = Counter(_cores(images, a, b)), Counter(_cores(masks, c, d))
    return sum(count == of_masks[core] == 1 for core, count in of_images.items())


def _cores(stems: Iterable[str], prefix: str, suffix: str) -> Iterator[str]:
    for stem in stems:
        if len(stem) > len(prefix) + len(suffix) and stem.startswith(prefix) and stem.endswith(suffix):
            yield stem[len(prefix) : len(stem) - len(suffix)]


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    return first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]


def _common_end(texts: Sequence[str]) -> str:
    return _common_start([text[::-1] for text in texts])[::-1]
