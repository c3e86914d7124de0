"""Problems of a data set: one line for each cause, even if many files share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lbt.errors import LbtError

_NAMED = 3


@dataclass(frozen=True, order=True)
class Problem:
    """A problem of a data set.

    Attributes:
        file: the file or the key of the settings.
        what: the problem, as a sentence with `file` as its subject.
        alike: the same for several files, as a sentence with "each" as its subject; empty if it equals `what`.
    """

    file: str
    what: str
    alike: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def no_image(place: str, what: str, unlabelled: bool) -> Problem:
    """The problem of a part without any image."""
    reason = "; methods with pseudo labels, such as lbt, need unlabelled images" if unlabelled else ""
    return Problem(place, what + reason)


def fold(problems: Sequence[Problem]) -> list[str]:
    """A line for each problem; equal problems of several files share the line of the first."""
    groups: dict[str, list[Problem]] = {}
    for problem in dict.fromkeys(problems):  # one pattern may serve all parts
        groups.setdefault(problem.alike or problem.what, []).append(problem)
    return [
        str(members[0]) if len(members) == 1 else f"{shorten([p.file for p in members])}: each {text}"
        for text, members in groups.items()
    ]


def shorten(names: Sequence[str]) -> str:
    """The first names, and the number of all if there are more."""
    return ", ".join(names[:_NAMED]) + (f", ... ({len(names)} in all)" if len(names) > _NAMED else "")


def raise_problems(root: str, problems: Sequence[Problem]) -> None:
    """Raise all problems of the data set below `root` in one error, if there are any.

    Raises:
        LbtError: lists them, one per line.
    """
    lines = fold(problems)
    if lines:
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise LbtError(f"{root}: {count} in the data set", *(f"  {line}" for line in lines))
