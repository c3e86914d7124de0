"""Names of images and masks that a run can write into its tables and results."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable

from lbt.data.problems import Problem
from lbt.data.sample import Sample, picture_name
from lbt.errors import is_hidden

LONGEST = 200
"""Most bytes of an image's id: pictures and predictions have it as their name, with an ending."""


def select_named(samples: Iterable[Sample]) -> tuple[list[Sample], list[Problem]]:
    """The samples whose names can be written, and a problem for each other one."""
    usable, problems = [], []
    samples = list(samples)
    twins: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        twins[picture_name(sample.id)].append(sample.image)
    for sample in samples:
        others = [image for image in twins[picture_name(sample.id)] if image != sample.image]
        paths = [sample.image, *filter(None, [sample.label])]
        bad = next((path for path in paths if is_hidden(path)), None)
        if bad is not None:
            what = "has a name with a character that is not UTF-8 text or cannot be shown; rename the file"
            problems.append(Problem(ascii(bad), what))
        elif len(os.fsencode(sample.id)) > LONGEST:
            what = f"has a longer name than {LONGEST} bytes, which results cannot have; rename image and mask"
            problems.append(Problem(sample.image, what))
        elif others:
            what = f"would share its pictures in the results with {others[0]}, because `/` becomes `_`; rename one"
            problems.append(Problem(sample.image, what))
        else:
            usable.append(sample)
    return usable, problems
