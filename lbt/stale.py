"""Outputs that were made of other inputs than lie there now, whatever the times of the files say.

Snakemake compares times. Where a clock has jumped back between a stage and a stop of the run, a new input can look
older than what was made of the input before. The manifests know better: they hold the digests of what was read and
written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lbt.artifacts import read_json
from lbt.errors import LbtError


def expose_stale(run: Path) -> list[Path]:
    """Make each output whose inputs have changed since look older than they, so that Snakemake makes it again.

    Manifests that cannot be read are left to the stages that verify them.

    Returns:
        The outputs whose times had to be changed.
    """
    manifests = {path: content for path in sorted(run.rglob("manifest*.json")) if (content := _read(path))}
    written = {
        _absolute(path, name): entry["sha256"]
        for path, content in manifests.items()
        for name, entry in content["outputs"].items()
    }
    exposed = []
    for path, content in manifests.items():
        changed = [
            file
            for name, entry in content["inputs"].items()
            if written.get(file := _absolute(path, name), entry["sha256"]) != entry["sha256"] and file.exists()
        ]
        outputs = [file for name in content["outputs"] if (file := _absolute(path, name)).exists()]
        if changed and outputs:
            newest = max(file.stat().st_mtime_ns for file in changed)
            if newest <= min(file.stat().st_mtime_ns for file in outputs):
                for file in outputs:
                    os.utime(file, ns=(newest - 10**9, newest - 10**9))
                exposed += outputs
    return exposed


def _absolute(manifest: Path, name: str) -> Path:
    return Path(os.path.normpath(manifest.parent.absolute() / name))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except LbtError:
        return None
    whole = isinstance(content, dict) and all(
        isinstance(content.get(key), dict) and all(isinstance(e, dict) and "sha256" in e for e in content[key].values())
        for key in ("inputs", "outputs")
    )
    return content if whole else None
