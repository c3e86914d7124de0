"""Why jobs of a run failed: a stage leaves its message beside its log, and the run prints all of them at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lbt.errors import LbtError
from lbt.files import write_text

ENDING = ".error"
_KILLED = "It ended without a message. It was killed, possibly because memory or its time ran out."
_LINES = 12


@contextmanager
def leave_message(log: Path) -> Iterator[None]:
    """While a stage runs, and after it failed, a file beside its log says why it failed.

    Until the stage ends, the file says that it was killed, because a killed stage cannot write anything.
    """
    message = log.with_suffix(ENDING)
    _write(message, _KILLED)
    try:
        yield
    except BaseException as error:
        _write(message, str(error) if isinstance(error, LbtError) else f"{type(error).__name__}: {error}")
        raise
    message.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    """A message that cannot be written must not hide the error itself."""
    with suppress(LbtError):
        write_text(path, text)


def forget_failures(logs: Path) -> None:
    """Remove the messages of an earlier run."""
    for message in logs.glob(f"*{ENDING}"):
        message.unlink(missing_ok=True)


def describe_failures(logs: Path, command: str, run_log: str) -> str:
    """What to print at the end of a failed run.

    Args:
        logs: folder of the stages' logs.
        command: the command that started the run.
        run_log: Snakemake's own log of the run.
    """
    messages = sorted(logs.glob(f"*{ENDING}"))
    count = {0: "The run was stopped, or a job could not be started.", 1: "1 job failed."}
    lines = ["", count.get(len(messages), f"{len(messages)} jobs failed.")]
    for message in messages:
        first, *more = message.read_text(encoding="utf-8", errors="replace").splitlines() or [_KILLED]
        lines += ["", message.stem, f"  {first}", *(f"  {line}" for line in more[: _LINES - 1])]
        if len(more) >= _LINES:
            lines.append(f"  ... and {len(more) - _LINES + 1} more lines in the log")
        lines.append(f"  log: {message.with_suffix('.log')}")
    lines += ["", f"Snakemake's log: {run_log}"]
    return "\n".join([*lines, "Fix the cause and repeat the command; finished results are kept:", f"  {command}", ""])
