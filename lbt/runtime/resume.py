"""What a stage that was stopped goes on from: the state of its loop, in a side file until its outputs are there.

The side file stands beside an output under a name that the workflow does not declare, because Snakemake deletes the
declared outputs of a job that failed. It is a cache: a file of other settings, code, inputs or versions, or one that is
damaged, is not used, and the log says so.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from lbt.errors import LbtError, Stopped
from lbt.runtime.checkpoint import Parts, load_checkpoint, load_state, save_checkpoint, to_state
from lbt.runtime.distributed import group
from lbt.runtime.progress import Progress
from lbt.runtime.signals import Signals

KIND = "resume"
Item = TypeVar("Item")


@dataclass
class _Found:
    step: int = 0
    parts: Parts | None = None
    note: str | None = None


class Resume:
    """The side file of one run of a stage.

    Args:
        path: the side file; None keeps nothing and leaves signals alone.
        identity: plain values of all that the state depends on; a file with others is not used.
        minutes: least time between two saves; 0 saves after every step.
    """

    def __init__(
        self, path: Path | None = None, identity: Mapping[str, Any] | None = None, minutes: float = 5.0
    ) -> None:
        self.path, self.identity, self.minutes = path, dict(identity or {}), minutes

    @property
    def step(self) -> int:
        """Steps that an earlier run took and that are not taken again."""
        return self._found.step

    @property
    def note(self) -> str | None:
        """What was found in the file, as one line; None if there is no file."""
        return self._found.note

    @cached_property
    def _found(self) -> _Found:
        """What the file holds; read when it is first needed, by each process of the stage for itself."""
        if self.path is None or not self.path.exists():
            return _Found()
        try:
            content = load_checkpoint(self.path, kind=KIND)
        except LbtError as error:
            return _Found(note=f"starts at its beginning, because it cannot go on from an earlier run ({error})")
        found = content["identity"]
        other = [name for name in sorted({**found, **self.identity}) if found.get(name) != self.identity.get(name)]
        if other:
            return _Found(note=f"starts at its beginning, because {self.path} was made with other {', '.join(other)}")
        step = content["step"]
        return _Found(step, content["parts"], f"goes on after step {step}, where an earlier run saved {self.path}")

    def steps(self, items: Iterable[Item], parts: Parts, progress: Progress) -> Iterator[tuple[int, Item]]:
        """Number a loop's items, of which the first belongs to `step`, and save the parts after some of them.

        Before the first item, or if there is none, the parts are brought to where the earlier run left them. After an
        item they are saved if that is due, or a signal asks for it; SIGTERM and SIGINT then end the loop. The processes
        of a job, whose parts are the same, do so together, and the first one saves.

        Args:
            items: what is left of the loop.
            parts: all that a step changes and a later one or the stage's outputs depend on; see
            `lbt.runtime.checkpoint`. progress: shows steps and what was found in the side file.

        Yields:
            The number of the step and the item.

        Raises:
            Stopped: a signal ended the loop.
            LbtError: the side file cannot be written.
        """
        if self.note is not None:
            progress.note(self.note)
        if self._found.parts is not None:
            load_state(parts, self._found.parts)
            self._found.parts = None  # as large as the stage's checkpoint
            progress.skip(self.step)
        if self.path is None:
            yield from enumerate(items, self.step)
            return
        last, together = time.monotonic(), group()
        with Signals() as signals:
            for step, item in enumerate(items, self.step):
                yield step, item
                due = signals.stop is not None or signals.save or time.monotonic() - last >= 60 * self.minutes
                if not together.any(due):
                    continue
                signals.save = False
                if together.first:
                    self._save(step + 1, parts)
                last = time.monotonic()
                if together.any(signals.stop is not None):  # no process ends before the first has saved
                    where = f"{progress.stage}: saved after step {step + 1} of {progress.total}"
                    raise Stopped(where, signals.stop or signal.SIGTERM)

    def _save(self, step: int, parts: Parts) -> None:
        state = {"step": step, "parts": to_state(parts)}
        save_checkpoint(self.path, kind=KIND, identity=self.identity, state=state)

    def remove(self) -> None:
        """Delete the side file, when the stage's outputs have been written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
