"""Results as JSON, written after each measurement, and the time that each part of them may take."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Measurement = tuple[str, Callable[[], Any]]
"""A name, and what computes its JSON value."""


class Report:
    """The results of a run of several parts.

    A measurement that fails leaves its error, and the next one runs. When the time of a part is over, its other
    measurements are named as left out. So a run that is cut off keeps everything that it has measured.

    Args:
        path: the JSON file; it is replaced as a whole, so that it is complete at any time.
        seconds: for all parts together.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.end = path, time.monotonic() + seconds
        self.content: dict[str, Any] = {}

    def record(self, part: str, name: str, value: Any) -> None:
        """Write a value."""
        self.content.setdefault(part, {})[name] = value
        text = json.dumps(self.content, indent=1)
        temporary = self.path.with_name(f"{self.path.name}.part")
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, self.path)

    def run(self, part: str, measurements: Iterator[Measurement], seconds: float) -> None:
        """Do the measurements of a part, as long as its time and that of the whole run last."""
        end = min(time.monotonic() + seconds, self.end)
        left_out: list[str] = []
        started = time.monotonic()
        try:
            for name, measure in measurements:
                if time.monotonic() >= end:
                    left_out.append(name)
                    continue
                self.record(part, name, self._measure(measure))
                print(f"{part}, {name}: {json.dumps(self.content[part][name])}", flush=True)
        except Exception as error:  # the preparation of the next measurement failed
            self.record(part, "error", describe(error))
            print(f"{part}: {describe(error)}", flush=True)
        if left_out:
            self.record(part, "left out, no time", left_out)
        self.record("seconds", part, round(time.monotonic() - started, 1))

    @staticmethod
    def _measure(measure: Callable[[], Any]) -> Any:
        try:
            return measure()
        except Exception as error:
            return {"error": describe(error)}


def describe(error: Exception) -> str:
    """The kind, the message and the last place of an error."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:500]} ({Path(place.filename).name}:{place.lineno})"
