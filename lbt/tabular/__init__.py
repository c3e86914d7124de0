"""The table of all networks of a small space: made by training each, read to score searches without training.

`lbt.tabular.load` is `lbt.tabular.table.load`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "load":  # found when it is asked for, because the stages that train networks do not depend on it
        return import_module("lbt.tabular.table").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
