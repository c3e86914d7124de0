"""The search methods as a table: the facts that settings and workflow need without importing PyTorch.

The code of a method is `lbt.search.methods.<name>`.
"""

from __future__ import annotations

from dataclasses import dataclass

from lbt.config.round import LbtSearch, LptSearch, RandomMatch, RoundSearch, SearchWindow, StudentSearch


@dataclass(frozen=True)
class MethodFacts:
    """The facts about a method on which settings and workflow depend.

    Attributes:
        search: the keys of `search` that a round of the method sees; no other key reruns it.
        derive: the keys of `search` that the derivation of its network sees.
        needs_pseudo_labels: whether the teacher labels the unlabelled images for it before each round.
    """

    search: type[RoundSearch] = RoundSearch
    derive: type[SearchWindow] = SearchWindow
    needs_pseudo_labels: bool = False

    @property
    def has_student(self) -> bool:
        """Whether it trains a network of the settings `search.student` beside the supernet."""
        return issubclass(self.search, StudentSearch)

    @property
    def searches(self) -> bool:
        """Whether it moves the architecture; if not, it is a control whose networks are drawn at random."""
        return not issubclass(self.derive, RandomMatch)


METHODS: dict[str, MethodFacts] = {
    "fasterseg": MethodFacts(),
    "lbt": MethodFacts(LbtSearch, needs_pseudo_labels=True),
    "lpt": MethodFacts(LptSearch),
    "random": MethodFacts(derive=RandomMatch),
}
"""Every method by its name, in alphabetical order."""
