"""Outputs that are outdated although Snakemake may take them for current.

Snakemake compares times and its own records. If a clock jumped back, a new input looks older than the files made from
the previous one. If results were copied without the hidden folder `.snakemake`, any file counts as the wanted one. The
manifests hold settings, code and the digests of what was read and written, so they tell the truth in both cases.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lbt.provenance.manifest import absolute, read_manifests, written_digests


def find_outdated(run: Path, changes: Callable[[Mapping[str, Any]], Sequence[str]]) -> dict[Path, str]:
    """The outdated stages of a run, without those that rerun anyway because they read from a listed one.

    Args:
        run: the folder of the run.
        changes: names what a manifest records differently from the present: see `lbt.stages.up_to_date`.

    Returns:
        The reason for each manifest, by its path.
    """
    records = read_manifests(run)
    digests = written_digests(records)
    reasons = {}
    for path, content in records.items():
        inputs = {absolute(path, name): entry["sha256"] for name, entry in content["inputs"].items()}
        replaced = [file.name for file, digest in inputs.items() if digests.get(file, digest) != digest]
        if replaced:
            reasons[path] = f"made from another {', '.join(replaced)}"
        elif changed := changes(content):
            reasons[path] = f"made with other {', '.join(changed)}"
    outdated = written_digests({path: records[path] for path in reasons}).keys()
    return {
        path: reason
        for path, reason in reasons.items()
        if not any(absolute(path, name) in outdated for name in records[path]["inputs"])
    }


def describe_outdated(outdated: Mapping[Path, str], settings: str) -> str:
    """What is outdated, and the command that makes it again; empty if nothing is.

    Args:
        outdated: see `find_outdated`.
        settings: the options of snakemake for the settings of the run, quoted for the shell.
    """
    if not outdated:
        return ""
    listed = "\n".join(f"  {path.parent}: {reason}" for path, reason in outdated.items())
    files = shlex.join(map(str, outdated))
    return (
        f"{len(outdated)} stage(s) are outdated, with all that was made from them:\n{listed}\n"
        "This command runs them again; add --dry-run to see its jobs first:\n"
        f"  snakemake --cores 8 {settings} --forcerun {files}"
    )
