"""Groups of images that a split keeps together: names by the user's expression, cut into stretches."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

from lbt.data.images import natural_key
from lbt.data.sample import Sample
from lbt.errors import LbtError

EVERYTHING = "all"
"""Name of the group of images for which the expression finds an empty text."""

_SECONDS = 0.5
_SECONDS_PER_NAME = 1e-4  # a hundred times what a usual expression takes


def name_groups(images: Sequence[str], group: str) -> dict[str, str | None]:
    """The group of each image; None if the expression does not match.

    The expression is applied to the stem. One with a `/` is applied to folder and stem, because no stem holds a `/`.

    Args:
        images: paths below `data.root`.
        group: `data.folder.group`.

    Raises:
        LbtError: it is not a regular expression, has no group, or takes too long to match.
    """
    try:
        expression = re.compile(group)
    except (re.error, RecursionError, OverflowError) as error:
        raise LbtError(f"data.folder.group: {group!r} is not a regular expression ({error}); correct it.") from error
    if expression.groups < 1:
        raise LbtError(f"data.folder.group: {group!r} has no group; put round brackets around the name of the group.")
    whole = "/" in group
    found: dict[str, str | None] = {}
    image = ""
    try:
        with _time_limit(_SECONDS + _SECONDS_PER_NAME * len(images)):
            for image in images:
                name = os.path.splitext(image)[0]
                match = expression.search(name if whole else os.path.basename(name))
                found[image] = None if match is None or match[1] is None else match[1] or EVERYTHING
    except TimeoutError:
        raise LbtError(
            f"data.folder.group: {group!r} takes too long, for example on {image}. Write it without a repetition "
            "inside of a repetition, such as `^(.*)_`."
        ) from None
    return found


def cut_groups(samples: Iterable[Sample], stretch: int) -> list[Sample]:
    """Cut each group into `stretch` runs of neighbouring images; their lengths differ by at most one."""
    if stretch == 1:
        return list(samples)
    groups = defaultdict(list)
    for sample in samples:
        groups[sample.group].append(sample)
    cut = []
    for group, members in groups.items():
        members.sort(key=lambda sample: natural_key(sample.id))
        runs = min(stretch, len(members))
        for position, sample in enumerate(members):
            cut.append(replace(sample, group=f"{group}:{position * runs // len(members)}"))
    return cut


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block once it has computed for some seconds.

    An expression such as `^((a+)+)$` takes exponential time. Python looks at signals while it matches. The timer
    counts processor time, so a busy machine does not shorten the limit. Signals reach the main thread only, in which
    the workflow and all commands match.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
