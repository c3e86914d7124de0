"""The second-last round of a finished search, from which nothing continues any more.

While the last round is at work it can be killed, and is then repeated from the round before it. Snakemake removes the
files of a killed job, also those that were whole already. So the files of the second-last round go only after another
stage has read the last round, for which Snakemake must have recorded it: the manifest of its scores says so.
"""

from __future__ import annotations

import os
from pathlib import Path

from lbt.config import Settings
from lbt.errors import LbtError
from lbt.provenance.manifest import read_manifest
from lbt.search.checkpoint_retention import drop_files

_CHECKPOINT, _STATE = "checkpoint.pt", "training_state.pt"


def drop_second_last_rounds(settings: Settings, run: Path) -> None:
    """Remove what no finished search of a run needs of its second-last round; see `search.keep_every`.

    Args:
        settings: of the run.
        run: the folder of its results.
    """
    old, search = settings.search.rounds - 1, settings.search
    if old < 1:
        return
    for method in settings.methods:
        for seed in settings.seeds:
            rounds = run / "search" / method / f"seed-{seed}"
            scored = run / "evaluate" / method / f"seed-{seed}" / ".manifest-supernet.json"
            if _was_read(rounds / f"round-{search.rounds}", scored):
                drop_files(rounds / f"round-{old}", _CHECKPOINT, _STATE, weights=old % search.keep_every != 0)


def _was_read(folder: Path, reader: Path) -> bool:
    """Whether the stage with the manifest `reader` has read the checkpoint of the round in `folder`, as it is now."""
    try:
        written, read = read_manifest(folder / ".manifest.json").outputs, read_manifest(reader).inputs
    except LbtError:  # the stage has not run, or will run again
        return False
    content = written.get(_CHECKPOINT)
    there = all((folder / name).exists() for name in (_CHECKPOINT, _STATE))
    return there and content is not None and read.get(os.path.relpath(folder / _CHECKPOINT, reader.parent)) == content
