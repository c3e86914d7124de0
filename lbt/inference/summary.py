"""What a network is and can, in a few lines of text; a value that its file does not hold is left out or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lbt.config.baselines import BASELINES
from lbt.errors import visible
from lbt.network.genotype import Genotype

_LARGEST = 1e15
Values = Mapping[str, Any] | None
"""Plain values of a file, which may be a stranger's."""


def summarize(
    *,
    method: str,
    seed: int,
    classes: Sequence[str],
    trained_on: str | None,
    genotype: Genotype | None,
    parameters: int,
    input_size: tuple[int, int] | None,
    scores: Values,
    profile: Values,
) -> str:
    """At most ten lines; see `SegmentationNetwork` for the arguments. `parameters` counts if the profile lacks them."""
    found = number(profile, "parameters")
    macs = number(profile, "macs")
    miou, accuracy = number(scores, "miou"), number(scores, "pixel_accuracy")
    where = "" if input_size is None else f" for {input_size[1]} x {input_size[0]} (width x height)"
    rows = {
        "found by": f"nobody: {method} was not searched, seed {seed}" if genotype is None else f"{method}, seed {seed}",
        "trained on": "unknown" if trained_on is None else visible(trained_on),
        "classes": f"{len(classes)}: {visible(', '.join(classes), 300)}",
        "structure": _describe_structure(method, genotype),
        "parameters": f"{(parameters if found is None else found) / 1e6:.3f} M",
        "MACs": "unknown" if macs is None else f"{macs / 1e9:.3f} G{where}",
        "mIoU": "unknown"
        if miou is None
        else f"{100 * miou:.1f} % on the validation images"
        + ("" if accuracy is None else f", pixel accuracy {100 * accuracy:.1f} %"),
        "latency": describe_profile(profile, input_size) or "unknown",
        "input": "RGB images of any size; a call gives the class index of each pixel",
    }
    return "\n".join(["SegmentationNetwork", *(f"  {name:<12}{text}" for name, text in rows.items())])


def _describe_structure(method: str, genotype: Genotype | None) -> str:
    """Depth and ends of a derived network, or the name of a baseline in the literature."""
    if genotype is None:
        return f"{BASELINES[method].title} ({BASELINES[method].source})"
    ends = " and ".join(f"1/{scale}" for scale in sorted(branch.scale for branch in genotype.branches))
    depths = {branch.cells[-1].layer + 1 for branch in genotype.branches}
    return f"{max(depths)} layers, ends at {ends} of the image's size"


def describe_profile(profile: Values, input_size: tuple[int, int] | None) -> str:
    """The latency that a profile holds, with size, device, threads and software; empty if it holds none."""
    median = number(profile, "median_ms")
    if not median or profile is None:
        return ""
    key = profile.get("key")
    key = key if isinstance(key, Mapping) else {}
    threads, p95 = number(key, "threads"), number(profile, "p95_ms")
    parts = [
        f"{median:.1f} ms ({1e3 / median:.1f} FPS)",
        "" if p95 is None else f"95 % of the passes within {p95:.1f} ms",
        "" if input_size is None else f"images of {input_size[1]} x {input_size[0]}",
        *(visible(key[name], 80) for name in ("device",) if isinstance(key.get(name), str)),
        "" if threads is None else count_threads(round(threads)),
        *(visible(key[name], 80) for name in ("backend", "precision", "software") if isinstance(key.get(name), str)),
    ]
    return ", ".join(filter(None, parts))


def count_threads(count: int) -> str:
    """A number of threads in words."""
    return f"{count} thread{'' if count == 1 else 's'}"


def number(values: Values, name: str) -> float | None:
    """A number from zero to a sensible limit; None if there is none of this name."""
    value = None if values is None else values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST:
        return None
    return float(value)
