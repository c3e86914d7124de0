"""One module per search method; each defines `METHOD`."""

from __future__ import annotations

from importlib import import_module

from lbt.search.architecture_step import Method


def load_method(name: str) -> Method:
    """The method that the module `lbt.search.methods.<name>` defines.

    Modules are imported by name, so that a stage's code fingerprint holds the one method it runs.
    """
    return import_module(f"lbt.search.methods.{name}").METHOD
