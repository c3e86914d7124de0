"""Outputs that are outdated although Snakemake may take them for current.

Snakemake compares times and its own records. If a clock jumped back, a new input looks older than the files made from
the previous one. If results were copied without the hidden folder `.snakemake`, any file counts as the wanted one. The
manifests hold settings, code and the digests of what was read and written, so they tell the truth in both cases.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lbt.errors import LbtError, visible
from lbt.provenance.manifest import PATTERN, FileRecord, Manifest, read_manifest


def find_outdated(run: Path, changes: Callable[[Manifest], Sequence[str] | None]) -> dict[Path, str]:
    """The outdated stages of a run, without those that rerun anyway because they read from a listed one.

    Args:
        run: the folder of the run.
        changes: names what a manifest records differently from the present, or gives None for a job that the run does
            not have now; see `lbt.stages.up_to_date`.

    Returns:
        The reason for each manifest, by its path.
    """
    records, reasons = {}, {}
    for path in sorted(run.rglob(PATTERN)):
        try:
            records[path] = read_manifest(path)
        except LbtError:
            reasons[path] = "its manifest cannot be read"
    inputs = {path: _digests(path, record.inputs) for path, record in records.items()}
    outputs = {path: _digests(path, record.outputs) for path, record in records.items()}
    written = {file: digest for files in outputs.values() for file, digest in files.items()}
    for path, record in records.items():
        replaced = [file.name for file, digest in inputs[path].items() if written.get(file, digest) != digest]
        changed = changes(record)
        if replaced and changed is not None:
            reasons[path] = f"made from another {', '.join(replaced)}"
        elif changed:
            reasons[path] = f"made with other {', '.join(changed)}"
    outdated = {file for path in reasons for file in outputs.get(path, ())}
    return {path: reason for path, reason in reasons.items() if not outdated & inputs.get(path, {}).keys()}


def _digests(manifest: Path, files: Mapping[str, FileRecord]) -> dict[Path, str]:
    """The digest of each file that a manifest lists, by the absolute path of the file."""
    folder = manifest.parent.absolute()
    return {Path(os.path.normpath(folder / name)): file.sha256 for name, file in files.items()}


def describe_outdated(outdated: Mapping[Path, str], settings: Sequence[str]) -> str:
    """What is outdated, and the command that makes it again; empty if nothing is.

    Args:
        outdated: see `find_outdated`.
        settings: the options of snakemake for the settings of the run.
    """
    if not outdated:
        return ""
    lines = (f"  {visible(path.parent)}: {visible(reason)}" for path, reason in outdated.items())
    listed = "\n".join(dict.fromkeys(lines))  # a folder may have the manifests of several stages
    command = ["snakemake", "--cores", "8", *settings, "--forcerun", *map(str, outdated)]
    return (
        f"These results are outdated, with all that was made from them:\n{listed}\n"
        "This command runs them again; add --dry-run to see its jobs first:\n"
        f"  {visible(shlex.join(command), 10**6)}"
    )
