"""Saved loop state from which an interrupted stage resumes.

The state is kept in a side file beside an output, until the outputs are written. The workflow does not declare the side
file, because Snakemake deletes the declared outputs of a failed job. It is a cache: a damaged file, or one of other
settings, code, inputs or versions, is not used, and the log says so.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lbt.errors import LbtError, Stopped
from lbt.runtime.checkpoint import Parts, load_checkpoint, load_state, save_checkpoint, to_state
from lbt.runtime.distributed import group
from lbt.runtime.progress import Progress
from lbt.runtime.signals import SAVE, STOP, handle_signals

KIND = "resume"
Item = TypeVar("Item")


@dataclass
class _Saved:
    step: int = 0
    parts: Mapping[str, Any] | None = None
    note: str | None = None


@dataclass
class Resume:
    """The side file of one run of a stage.

    Args:
        path: the side file; None saves nothing and handles no signals.
        identity: plain values of everything that the state depends on; a file with other values is not used.
        minutes: least time between two saves; 0 saves after every step.
    """

    path: Path | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    minutes: float = 5.0

    @property
    def step(self) -> int:
        """Steps that an earlier run took and that are not repeated."""
        return self._saved.step

    @cached_property
    def _saved(self) -> _Saved:
        """The content of the file, which each process of the stage reads when it first needs it."""
        if self.path is None or not self.path.exists():
            return _Saved()
        try:
            content = load_checkpoint(self.path, kind=KIND)
            found, step, parts = content["identity"], int(content["step"]), dict(content["parts"])
            other = [name for name in sorted({**found, **self.identity}) if found.get(name) != self.identity.get(name)]
        except Exception as error:  # the file of another program may hold anything
            return _Saved(note=f"starts at the beginning, because the saved state cannot be used ({error})")
        if other:
            return _Saved(note=f"starts at the beginning, because {self.path} was made with other {', '.join(other)}")
        return _Saved(step, parts, f"resumes after step {step}, which an earlier run saved in {self.path}")

    def steps(self, items: Iterable[Item], parts: Parts, progress: Progress) -> Iterator[tuple[int, Item]]:
        """Number the items of a loop, starting at `step`, and save the parts after some of them.

        Before the first item, or if there is none, the parts get the values that the earlier run saved. They are saved
        after an item if a save is due or a signal asks for it; SIGTERM and SIGINT then end the loop. The processes of a
        job have equal parts and act together; the first one saves.

        Args:
            items: the rest of the loop.
            parts: everything that a step changes and that a later step or an output depends on; see
                `lbt.runtime.checkpoint`.
            progress: shows the steps and the note.

        Yields:
            The number of the step and the item.

        Raises:
            Stopped: a signal ended the loop.
            LbtError: the side file cannot be written, or its state is not one of this loop.
        """
        saved = self._saved
        if saved.note is not None:
            progress.note(saved.note)
        if saved.parts is not None:
            try:
                load_state(parts, saved.parts)
            except Exception as error:
                raise LbtError(f"{self.path}: holds no state of this loop ({error}). Delete it and rerun.") from error
            saved.parts = None  # as large as the stage's checkpoint
            progress.skip(self.step)
        if self.path is None:
            yield from enumerate(items, self.step)
            return
        last, together = time.monotonic(), group()
        came: set[signal.Signals] = set()
        with handle_signals(came.add):
            for step, item in enumerate(items, self.step):
                yield step, item
                if not together.any(bool(came) or time.monotonic() - last >= 60 * self.minutes):
                    continue
                came -= SAVE
                if together.first:
                    self._save(self.path, step + 1, parts)
                last = time.monotonic()
                if together.any(bool(came & STOP)):  # no process ends before the first has saved
                    where = f"{progress.stage}: saved after step {step + 1} of {progress.total}"
                    raise Stopped(where, min(came & STOP, default=signal.SIGTERM))

    def _save(self, path: Path, step: int, parts: Parts) -> None:
        save_checkpoint(path, kind=KIND, identity=self.identity, state={"step": step, "parts": to_state(parts)})

    def remove(self) -> None:
        """Delete the side file, once the stage's outputs are written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
