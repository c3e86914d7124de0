"""The search methods as a table: what settings and workflow need to know of each without importing PyTorch.

The code of a method is `lbt.search.methods.<name>`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MethodFacts:
    """What the workflow needs to know of a method.

    Attributes:
        settings: the keys of `search` that it reads beside those that every method does; a change of another method's
            keys does not rerun it.
        needs_pseudo_labels: whether the teacher labels the unlabelled images for it before each round.
    """

    settings: tuple[str, ...] = ()
    needs_pseudo_labels: bool = False

    @property
    def has_student(self) -> bool:
        """Whether a network of the settings `search.student` learns beside the supernet."""
        return "student" in self.settings


METHODS: dict[str, MethodFacts] = {
    "fasterseg": MethodFacts(),
    "lbt": MethodFacts(
        settings=(
            "student",
            "pseudo_weight",
            "pseudo_labels",
            "student_weight",
            "student_term",
            "gradient",
            "second_derivative",
            "second_order_limit",
        ),
        needs_pseudo_labels=True,
    ),
    "lpt": MethodFacts(settings=("student", "lpt")),
    "random": MethodFacts(),
}
"""Every method by its name, in alphabetical order."""
