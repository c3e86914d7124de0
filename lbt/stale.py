"""Outputs that were made of other inputs than lie there now, where Snakemake would not notice.

Snakemake compares times. Where a clock has jumped back between a stage and a stop of the run, a new input can look
older than what was made of the input before. And it misses no file between two stages whose followers are there: a
stage that is made again and stopped has lost its outputs, but not what was made of those before. The manifests know
better: they hold the digests of what was read and written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
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
    manifests, exposed = _manifests(run), []
    written = _written(manifests)
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


def undone(run: Path) -> list[Path]:
    """Files of which others were made, and which a stopped stage has lost together with its manifest.

    Weights that a search has removed still stand in their round's manifest, and a folder that is gone was removed on
    purpose: both are not listed.

    Returns:
        Paths that begin as `run` does, in their order.
    """
    manifests, here = _manifests(run), run.absolute()
    written = _written(manifests)
    read = {_absolute(path, name) for path, content in manifests.items() for name in content["inputs"]}
    return [
        run / file.relative_to(here)
        for file in sorted(read - written.keys())
        if file.is_relative_to(here) and file.parent.is_dir() and not file.exists()
    ]


def _manifests(run: Path) -> dict[Path, dict[str, Any]]:
    return {path: content for path in sorted(run.rglob("manifest*.json")) if (content := _read(path))}


def _written(manifests: Mapping[Path, dict[str, Any]]) -> dict[Path, str]:
    """Digest of each file that a manifest says was written."""
    return {
        _absolute(path, name): entry["sha256"]
        for path, content in manifests.items()
        for name, entry in content["outputs"].items()
    }


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
