"""What is wrong with a data set: one line for each cause, whatever the number of files that share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lbt.errors import LbtError

_NAMED = 3


@dataclass(frozen=True, order=True)
class Problem:
    """Something wrong with a data set.

    Attributes:
        file: the file or the key of the settings.
        what: what is wrong; it goes on from `file`.
        alike: the same of several files at once, where it differs from `what`; it goes on from "each".
    """

    file: str
    what: str
    alike: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def no_image(place: str, what: str, unlabelled: bool) -> Problem:
    """A part without any image."""
    return Problem(place, what + (": methods that teach, such as lbt, need unlabelled images" if unlabelled else ""))


def fold(problems: Sequence[Problem]) -> list[str]:
    """A line for each problem; of equal ones of several files a single line, where the first of them stands."""
    groups: dict[str, list[Problem]] = {}
    for problem in dict.fromkeys(problems):  # one pattern may serve all parts
        groups.setdefault(problem.alike or problem.what, []).append(problem)
    return [
        str(members[0]) if len(members) == 1 else f"{shortened([p.file for p in members])}: each {text}"
        for text, members in groups.items()
    ]


def shortened(names: Sequence[str]) -> str:
    """The first names; if there are more, how many they are."""
    return ", ".join(names[:_NAMED]) + (f", ... ({len(names)} in all)" if len(names) > _NAMED else "")


def raise_problems(root: str, problems: Sequence[Problem]) -> None:
    """Raise all problems of the data set below `root` in one error, if there are any.

    Raises:
        LbtError: lists them, one a line.
    """
    lines = fold(problems)
    if lines:
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise LbtError("\n  ".join([f"{root}: {count} in the data set", *lines]))
