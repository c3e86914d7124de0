"""One progress line: a bar on a terminal, plain lines in a log, and what such a line says."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from lbt.errors import LbtError, visible
from lbt.files import open_own

_LINE = re.compile(
    r"(?P<stage>.*): step (?P<step>\d{1,12})/(?P<total>\d{1,12})(?P<values>(  \S+ \S+)*)  "
    r"(?P<elapsed>\d{1,12}) s elapsed, (?P<left>\d{1,12}) s left"
)


@dataclass(frozen=True)
class Step:
    """What a plain line says.

    Attributes:
        step, total: steps taken, and all steps.
        values: text by name, such as `{"loss": "0.71"}`.
        elapsed, left: seconds.
    """

    step: int
    total: int
    values: Mapping[str, str]
    elapsed: float
    left: float


def read_step(line: str) -> Step | None:
    """The content of a plain line of `Progress`; None for another line."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    words = found["values"].split()
    values = dict(zip(words[::2], words[1::2], strict=True))
    return Step(int(found["step"]), int(found["total"]), values, float(found["elapsed"]), float(found["left"]))


class Progress:
    """Shows stage, step, loss and time left on standard error, and plain lines in a log file.

    On a terminal the line is a tqdm bar. In the log file a plain line is written at the first and last step and every
    `interval` seconds between. If standard error is no terminal, it has these lines where there is no log file.

    Args:
        stage: name shown at the start of the line, such as `warmup seed-0`.
        total: number of steps.
        log: a file to append plain lines to, or None.
        interval: least time between plain lines in seconds.
        shown: whether anything is shown and written; only the first process of a job does so.
    """

    def __init__(
        self, stage: str, total: int, log: Path | None = None, interval: float = 5.0, *, shown: bool = True
    ) -> None:
        self.stage, self.total, self.interval = stage, total, interval
        self.step, self.skipped, self.started, self.last_line = 0, 0, time.monotonic(), 0.0
        self.shown = shown
        self.terminal = sys.stderr.isatty() and shown
        self.bar = tqdm(total=total, desc=stage, leave=False, dynamic_ncols=True) if self.terminal else None
        self.path = log
        self.log: TextIO | None = None
        if log is not None and shown:
            try:
                log.parent.mkdir(parents=True, exist_ok=True)
                self.log = open(log, "a", encoding="utf-8", buffering=1, opener=open_own)  # noqa: SIM115 - __exit__ closes it
            except OSError as error:
                raise self._unwritable(error) from error

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.log is not None:
            try:
                self.log.close()
            except OSError as error:
                if kind is None:  # an earlier error says more
                    raise self._unwritable(error) from error

    def skip(self, steps: int) -> None:
        """Count steps that an earlier run took; the estimate of the time left ignores them."""
        self.step, self.skipped = self.step + steps, self.skipped + steps
        if self.bar is not None:
            self.bar.initial = self.bar.n = self.step
            self.bar.refresh()

    def advance(self, **values: float) -> None:
        """Count one step and show `values` such as `loss=0.71` beside it."""
        self.step += 1
        if self.bar is not None:
            self.bar.set_postfix({name: f"{value:.3g}" for name, value in values.items()}, refresh=False)
            self.bar.update()
        now = time.monotonic()
        if self.step in (self.skipped + 1, self.total) or now - self.last_line >= self.interval:
            self.last_line = now
            self._line(self._text(now, values))

    def note(self, text: str) -> None:
        """Write a separate line, such as a warning that an update was skipped."""
        text = visible(text)
        if self.bar is not None:
            tqdm.write(f"{self.stage}: {text}", file=sys.stderr)
        self._line(f"{self.stage}: {text}", always=True)

    def _text(self, now: float, values: dict[str, float]) -> str:
        elapsed = now - self.started
        left = elapsed / (self.step - self.skipped) * (self.total - self.step)
        shown = "".join(f"  {name} {value:.4g}" for name, value in values.items())
        return f"{self.stage}: step {self.step}/{self.total}{shown}  {elapsed:.0f} s elapsed, {left:.0f} s left"

    def _line(self, text: str, *, always: bool = False) -> None:
        if self.log is not None:
            try:
                self.log.write(text + "\n")
            except OSError as error:
                raise self._unwritable(error) from error
        if self.shown and not self.terminal and (self.log is None or always):
            print(text, file=sys.stderr, flush=True)

    def _unwritable(self, error: OSError) -> LbtError:
        return LbtError(f"{self.path}: could not be written ({error.strerror}). Free space and rerun.")
