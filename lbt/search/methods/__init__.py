"""The search methods. Each is a module or a folder here and defines `METHOD`, a `lbt.search.method.Method`.

A new method needs, beside that, only a row of `lbt.config.methods.METHODS`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lbt.search.method import Method


def load_method(name: str) -> Method:
    """The method that `lbt.search.methods.<name>` defines.

    Methods are imported by name, so the code fingerprint of a round covers only the method that it runs.
    """
    return import_module(f"lbt.search.methods.{name}").METHOD
