"""The JSON schema of the settings, by which editors complete and check: `python -m lbt.config.schema`.

It has every key, type, limit, choice and help text. What needs two settings at once is checked by `lbt check`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from lbt.config import Settings

ROOT = Path(__file__).resolve().parents[2]
FILE = Path("config", "schema.json")
"""Its place in a clone. `python -m lbt.config.schema > config/schema.json` writes it."""
MARK = "yaml-language-server: $schema="
"""Begins the comment in which editors look for the schema of a YAML file; a relative path starts at that file."""


def make_schema() -> dict[str, Any]:
    """The schema of a configuration file."""
    schema = _plain(Settings.model_json_schema())
    return {"$schema": GenerateJsonSchema.schema_dialect, "title": "Settings of lbt", **schema}


def point_to_schema(file: Path) -> str | None:
    """The comment for a YAML file, without its `#`; None for a file outside of the clone that has the schema."""
    folder = file.absolute().parent.resolve()
    if not folder.is_relative_to(ROOT) or not (ROOT / FILE).is_file():
        return None
    return MARK + Path(os.path.relpath(ROOT / FILE, folder)).as_posix()


def _plain(node: Any, *, names: bool = False) -> Any:
    """The schema without what editors would show in vain: titles made of keys, and defaults that are whole sections.

    Args:
        node: a part of the schema.
        names: whether its keys are names of settings or of sections.
    """
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    if names:
        return {name: _plain(value) for name, value in node.items()}
    vain = {"title"} | ({"default"} if node.get("default") is None or "$ref" in node else set())
    return {key: _plain(value, names=key in ("properties", "$defs")) for key, value in node.items() if key not in vain}


if __name__ == "__main__":
    print(json.dumps(make_schema(), indent=2, ensure_ascii=False))
