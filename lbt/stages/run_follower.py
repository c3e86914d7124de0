"""Follows a run from its start to its end: its messages, its page and the jobs that it submits."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lbt.config import Settings
from lbt.files import remove_leftovers
from lbt.stages.best_link import BEST, link_best
from lbt.stages.queue_watch import QueueWatch, submission_folders
from lbt.stages.run_log import RunLog
from lbt.stages.run_progress import RunProgress
from lbt.stages.status import read_state
from lbt.stages.table import STAGES
from lbt.stages.time_left import typical_seconds
from lbt.views.index import INDEX, write_index
from lbt.views.run_state import RunState

_PAUSE = 30.0
"""Seconds after which the page is written again although no job has started or ended."""
_LEAST_PAUSE = 5.0
"""Seconds between two pages, because each asks Slurm for its queue."""
_PATIENCE = 20.0


class RunFollower:
    """What the hooks of the workflow call. Made when the workflow is read, it only remembers the plan of the jobs.

    Args:
        logger: Snakemake's.
        run: the folder of the run, such as `results/default`.
        settings: of the run.
    """

    def __init__(self, logger: logging.Logger, run: Path, settings: Settings) -> None:
        self._logger, self._run, self._settings = logger, run, settings
        self._planned: dict[str, int] = {}
        self._log: RunLog | None = None
        self._state: RunState | None = None
        self._writer = PageWriter(self._write_page, logger.warning)
        logger.addFilter(self._remember_plan)

    def start(self) -> None:
        """Shorten what the run says from now on, keep its page up to date, and watch the jobs that it submits."""
        folders = submission_folders()
        progress = RunProgress(
            host=socket.gethostname(),
            pid=os.getpid(),
            folders=folders,
            started=time.time(),
            total=sum(self._planned.values()),
            planned=self._planned,
            typical=typical_seconds(self._settings),
        )
        remove_leftovers([self._run / INDEX, self._run / BEST])
        watch = QueueWatch(folders, self._logger.warning)
        self._log = RunLog(
            self._run / "logs", progress, changed=self._writer.wake, submitted=watch.start, left=self._left
        )
        self._logger.addFilter(self._log)
        self._logger.info(f"page of the run: {self._run / INDEX}, or in the terminal: lbt status {self._run}")
        self._writer.start()

    def end(self, state: str) -> None:
        """Write how the run ended, for the last time.

        Args:
            state: `finished` or `failed`.
        """
        if self._log is not None:
            self._log.end(state)
        self._writer.end()

    def _remember_plan(self, record: Any) -> bool:
        if str(getattr(record, "event", None) or "") == "run_info":
            self._planned = {name: number for name, number in record.stats.items() if name in STAGES}
        return True

    def _write_page(self) -> None:
        self._state = read_state(self._run)
        try:
            link_best(self._run)
        finally:
            write_index(self._run, self._state)

    def _left(self) -> float | None:
        """By the last page, because Slurm may take long to answer."""
        state = self._state
        return None if state is None or state.left is None else max(1.0, state.left - (time.time() - state.now))


class PageWriter:
    """Writes a page in a thread of its own, after each change and at least every half minute.

    A page that cannot be written is said once, and stops nothing.

    Args:
        write: writes the page.
        say: is given the sentence.
    """

    def __init__(self, write: Callable[[], None], say: Callable[[str], object]) -> None:
        self._write, self._say = write, say
        self._changed, self._ended = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._told = False
        self._thread = threading.Thread(target=self._write_again, name="page of the run", daemon=True)

    def start(self) -> None:
        """Write from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Something has changed."""
        self._changed.set()

    def end(self) -> None:
        """Write once more, and stop."""
        self._ended.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(_PATIENCE)
        self._write_once()

    def _write_again(self) -> None:
        while not self._ended.is_set():
            self._write_once()
            self._ended.wait(_LEAST_PAUSE)
            self._changed.wait(_PAUSE)
            self._changed.clear()

    def _write_once(self) -> None:
        with self._lock:
            try:
                self._write()
            except Exception as error:  # whatever keeps the page from being written, the run goes on
                if not self._told:
                    self._told = True
                    self._say(f"The page of the run or its link `best` could not be written, the run goes on: {error}")
