"""Cases of a parametrised test, of which the quick run of the tests takes only the first."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def quick_first(count: int, cases: Iterable[Any]) -> list[Any]:
    """The cases for `pytest.mark.parametrize`; those after the first `count` are marked as exhaustive."""
    cases = list(cases)
    return cases[:count] + [pytest.param(*_values(case), marks=pytest.mark.exhaustive) for case in cases[count:]]


def _values(case: Any) -> Sequence[Any]:
    return case if isinstance(case, tuple) else (case,)
