"""Names of folders inside of patterns."""

from __future__ import annotations

import glob


def escape(path: str) -> str:
    """A path as a pattern of `data.folder` that stands for it alone."""
    return glob.escape(path).replace("{split}", "[{]split}")
