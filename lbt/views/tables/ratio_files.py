"""The files of the ratio study in the folder of each run that it joins."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lbt.errors import LbtError
from lbt.files import require_own_folders, sha256
from lbt.provenance.fingerprint import fingerprint
from lbt.provenance.manifest import read_manifest, verify_inputs, write_manifest
from lbt.views.tables.formats import Table

_MANIFEST = ".manifest-ratio.json"
_READ = ("data/split.csv", "evaluate/*/seed-*/network.json", "evaluate/*/seed-*/supernet.json")


def write_ratio(table: Table, runs: Sequence[Path]) -> None:
    """Write `tables/ratio.csv`, `.html` and `.md` into every run, with a manifest that lists their inputs."""
    inputs = [file for run in runs for pattern in _READ for file in sorted(run.glob(pattern))]
    for run in runs:
        require_own_folders(run)
        folder = run / "tables"
        table.write(folder)
        write_manifest(
            folder / _MANIFEST,
            stage="ratio",
            settings={},
            code=fingerprint("lbt.views.tables.ratio_study"),
            inputs=verify_inputs(inputs),
            outputs=[folder / f"{table.name}.{ending}" for ending in ("csv", "html", "md")],
        )


def is_ratio_current(run: Path) -> bool | None:
    """Whether the run's ratio table was made of the scores that the runs have now.

    Returns:
        None if the run has no such table. A run that was removed since does not count; a damaged manifest gives False.
    """
    folder = run / "tables"
    if not (folder / _MANIFEST).is_file() or not (folder / "ratio.md").is_file():
        return None
    try:
        inputs = read_manifest(folder / _MANIFEST).inputs
        read = {Path(os.path.normpath(folder / name)): entry for name, entry in inputs.items()}
        return all(sha256(file) == entry.sha256 for file, entry in read.items() if file.is_file())
    except (LbtError, OSError):  # a start must not fail because of it: `python -m lbt ratio` writes it again
        return False
