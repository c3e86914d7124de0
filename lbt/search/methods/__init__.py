"""One module per search method; a new method is a new file here.

A module defines `METHOD`, a `lbt.search.method.Method`, and may define two literals that are read without running it:

* `TEACHES = True`: before each round the teacher labels the unlabelled images for it.
* `SETTINGS`: the keys of `search` that it reads beside those that every method does; a change of another method's keys
  does not rerun it.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lbt.search.method import Method

_FOLDER = Path(__file__).resolve().parent


def method_names() -> tuple[str, ...]:
    """Names of the methods, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__"))


def load_method(name: str) -> Method:
    """The method that the module `lbt.search.methods.<name>` defines.

    Modules are imported by name, so that a stage's code fingerprint holds the one method it runs.
    """
    return import_module(f"lbt.search.methods.{name}").METHOD


def teaches(name: str) -> bool:
    """Whether the teacher labels the unlabelled images for a method."""
    return bool(_literals(name).get("TEACHES", False))


def has_student(name: str) -> bool:
    """Whether a network of the settings `search.student` learns beside the supernet."""
    return "student" in method_settings(name)


def method_settings(name: str) -> tuple[str, ...]:
    """Keys of `search` that a method reads beside those that every method does."""
    return tuple(_literals(name).get("SETTINGS", ()))


@cache
def _literals(name: str) -> dict[str, Any]:
    """Constants of a method's module. Running it would import PyTorch, for which the workflow would wait."""
    tree = ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target = node.targets[0].id
            if target in ("TEACHES", "SETTINGS"):
                found[target] = ast.literal_eval(node.value)
    return found
