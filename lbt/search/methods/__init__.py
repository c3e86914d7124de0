"""The search methods: a module or a package each, which defines `METHOD`, a `lbt.search.method.Method`.

A new method is a file or a folder here and a row of `lbt.config.methods.METHODS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lbt.search.method import Method


def load_method(name: str) -> Method:
    """The method that `lbt.search.methods.<name>` defines.

    Methods are imported by name, so that a stage's code fingerprint holds the one method it runs.
    """
    return import_module(f"lbt.search.methods.{name}").METHOD
