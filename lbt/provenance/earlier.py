"""The outputs that a rerun is about to replace, kept until their successors are there.

Snakemake deletes the outputs of a job before it runs it again. A mistyped setting that is noticed after a minute would
so cost weeks of search. Before a run begins, the files of each job that is to run again get a second name (a hard link,
which takes no space) in a hidden folder beside their manifest. If the rerun is stopped and the settings are again those
of before, the files come back as they were, with their times; once a stage has put new files in their place, the
earlier ones go.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lbt.errors import LbtError
from lbt.files import sha256
from lbt.provenance.lock import held
from lbt.provenance.manifest import EARLIER, absolute, manifests, read_manifest, same_inputs, written


def _place(manifest: Path) -> Path:
    return manifest.with_name(f".{manifest.name}{EARLIER}")


def keep(manifest: Path) -> None:
    """Give the files of a manifest, which their stage is about to replace, a second name.

    Where the stage was stopped before and its manifest is gone, what was kept then stays. A manifest that cannot be
    read is left alone.

    Raises:
        OSError: this file system has no hard links, or the folder cannot be written.
    """
    try:
        content = read_manifest(manifest)
    except LbtError:
        return
    place = _place(manifest)
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for number, name in enumerate(content["outputs"]):
        file = absolute(manifest, name)
        if file.is_file():  # weights of old rounds are not
            os.link(file, place / str(number))
    os.link(manifest, place / manifest.name)


def forget(manifest: Path) -> None:
    """Remove what is kept of the files before those that the manifest lists."""
    shutil.rmtree(_place(manifest), ignore_errors=True)


def bring_back(run: Path, current: Callable[[Mapping[str, Any]], bool]) -> list[Path]:
    """Put kept files back whose rerun was stopped, if they are what the run would make now.

    That is so if `current` says it of their manifest, and if their inputs are those of then. What is not wanted now
    stays for another time, and so does what a stage is at work on that outlived its run.

    Args:
        run: the folder of the run.
        current: whether a manifest's settings, code and images are those of now.

    Returns:
        The files that came back.
    """
    back: list[Path] = []
    waiting = []
    for place in _places(run):
        manifest = place.with_name(place.name[1 : -len(EARLIER)])
        if manifest.exists():  # the rerun did not come to this stage
            forget(manifest)
        else:
            waiting.append((manifest, place))
    if not waiting:
        return back
    there = written(manifests(run))
    progress = True
    while progress:  # a stage's inputs may have to come back before it
        progress = False
        for manifest, place in list(waiting):
            content = _whole(place, manifest)
            if content is None or not current(content) or not same_inputs(manifest, content, there) or held(manifest):
                continue
            for number, name in enumerate(content["outputs"]):
                file = Path(os.path.normpath(manifest.parent / name))
                file.unlink(missing_ok=True)  # of a rerun that came that far
                if (place / str(number)).exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(place / str(number), file)
                    back.append(file)
            os.replace(place / manifest.name, manifest)
            back.append(manifest)
            forget(manifest)
            there |= written({manifest: content})
            waiting.remove((manifest, place))
            progress = True
    return back


def _places(run: Path) -> list[Path]:
    return sorted(path for path in run.rglob(f".manifest*{EARLIER}") if path.is_dir())


def _whole(place: Path, manifest: Path) -> dict[str, Any] | None:
    """The kept manifest, if what is kept with it is as it says."""
    try:
        content = read_manifest(place / manifest.name)
    except LbtError:
        return None
    kept = {place / str(number): entry for number, entry in enumerate(content["outputs"].values())}
    good = all(sha256(path) == entry["sha256"] for path, entry in kept.items() if path.exists())
    return content if good else None
