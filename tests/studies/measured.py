"""Measurements that are made once and kept as JSON files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lbt.errors import LbtError
from lbt.files import read_json, write_json


def measure_once(path: Path, identity: Mapping[str, Any], measure: Callable[[], Any]) -> Any:
    """The measurement in a file; if there is no file, it is made and written.

    Args:
        path: the file.
        identity: what the measurement depends on, as JSON.
        measure: makes it, as JSON.

    Raises:
        LbtError: the file holds a measurement of something else.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"identity": identity, "measured": measure()})
    content = read_json(path)
    if content["identity"] != identity:
        raise LbtError(f"{path}: was measured on other files or with other settings. Delete it, and measure again.")
    return content["measured"]
