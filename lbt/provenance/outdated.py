"""Outputs that have to be made again although Snakemake would not notice.

Snakemake compares times. Where a clock has jumped back between a stage and a stop of the run, a new input can look
older than what was made of the input before. It misses no file between two stages whose followers are there: a stage
that is made again and stopped has lost its outputs, but not what was made of those before. And where its own records
are missing, as of results that were copied, it takes any file for the wanted one. The manifests know better: they hold
settings, code, and the digests of what was read and written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lbt.provenance.manifest import absolute, manifests, written


def stale(run: Path) -> list[Path]:
    """Outputs of stages whose inputs have another content now, and whose times do not tell it."""
    records, found = manifests(run), []
    now = written(records)
    for path, content in records.items():
        changed = [
            file
            for name, entry in content["inputs"].items()
            if now.get(file := absolute(path, name), entry["sha256"]) != entry["sha256"] and file.exists()
        ]
        outputs = _outputs(path, content)
        if changed and outputs:
            newest = max(file.stat().st_mtime_ns for file in changed)
            if newest <= min(file.stat().st_mtime_ns for file in outputs):
                found += outputs
    return found


def lost(run: Path) -> list[Path]:
    """Files of which others were made, and which a stopped stage has lost together with its manifest.

    Weights that a search has removed still stand in their round's manifest, and a folder that is gone was removed on
    purpose: both are not listed.
    """
    records, here = manifests(run), run.absolute()
    there = written(records)
    read = {absolute(path, name) for path, content in records.items() for name in content["inputs"]}
    return [
        run / file.relative_to(here)
        for file in sorted(read - there.keys())
        if file.is_relative_to(here) and file.parent.is_dir() and not file.exists()
    ]


def unrecorded(run: Path, recorded: Callable[[str], bool], expected: Callable[[Mapping[str, Any]], bool]) -> list[Path]:
    """Outputs of which Snakemake has no record, and whose manifest is not that of their stage now.

    Args:
        run: the folder of the run.
        recorded: whether Snakemake has a record of a file.
        expected: see `lbt.stages.up_to_date.Expected.is_met`.
    """
    found = []
    for path, content in manifests(run).items():
        outputs = _outputs(path, content)
        if outputs and not recorded(str(outputs[0])) and not expected(content):
            found += outputs
    return found


def _outputs(manifest: Path, content: Mapping[str, Any]) -> list[Path]:
    """The files of a manifest that are there; their paths begin as its own does."""
    files = [Path(os.path.normpath(manifest.parent / name)) for name in content["outputs"]]
    return [file for file in files if file.exists()]
