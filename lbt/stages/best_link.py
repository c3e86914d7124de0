"""The link `best` of a run to the folder of its best network."""

from __future__ import annotations

import os
from pathlib import Path

from lbt.errors import LbtError
from lbt.views.best_network import find_networks

BEST = "best"


def link_best(run: Path) -> None:
    """Point `best` in the folder of a run to the folder of its best network, once that has its file.

    The link is relative, so the folder can move. It is replaced atomically. Without any network it is removed.

    Raises:
        LbtError: something else has this name, or no link can be made there.
    """
    link, best = run / BEST, find_networks(run).best
    if link.exists() and not link.is_symlink():
        raise LbtError(f"{link}: is no link. Rename it; the run keeps its best network there.")
    temporary = link.with_name(f".{BEST}.{os.getpid()}.partial")
    try:
        if best is None:
            link.unlink(missing_ok=True)
        elif best.packed.is_file():
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(best.packed.parent.relative_to(run), target_is_directory=True)
            temporary.replace(link)
    except OSError as error:
        raise LbtError(f"{link}: could not be linked ({error.strerror}). The page names the best network.") from error
