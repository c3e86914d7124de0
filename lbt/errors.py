"""The exceptions that are meant for the user of the tool, and text of files that is shown without any effect."""

from __future__ import annotations

import errno
import re
import signal

SIGNAL = 128
"""Exit codes above are those of a shell for a process that a signal ended: this plus the signal's number."""

# Control characters, line separators, marks that reverse the direction of text, and halves of characters.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ESTALE)
_LONGEST = 2000
"""Characters of a shown line; of a longer one the middle is left out."""


def is_hidden(text: str) -> bool:
    """Whether a text holds a character that a terminal or a page obeys instead of showing it, such as a line break."""
    return _HIDDEN.search(text) is not None


def visible(text: object, longest: int = _LONGEST) -> str:
    r"""A text of a file in one line that a terminal shows as it is: an escape character becomes the text `\x1b`.

    Args:
        text: a name or another value of a file.
        longest: characters to show, at least 10; of a longer text the middle becomes `...`.
    """
    shown = str(text)
    if len(shown) > longest:
        half = (longest - 3) // 2
        shown = f"{shown[:half]}...{shown[-half:]}"
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], shown)


def explain_machine(error: BaseException) -> str:
    """What to tell the user of an error that comes from the machine; empty for one that may be a defect.

    Memory can run out: Python has an error of its own for it, PyTorch has one for a GPU's memory, and none for a
    processor's. A path can be one that nobody may look up: then Python's `exists` and `is_dir` raise an error.
    """
    if isinstance(error, OSError) and error.filename is not None and error.errno in _NO_ACCESS:
        return f"{visible(error.filename)}: {error.strerror}. Change its permissions, or name another file or folder."
    lacking = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if not lacking and "can't allocate memory" not in str(error):
        return ""
    return (
        "Memory ran out: lower the batch size of this stage, its crops or `compute.workers`, take smaller images, or "
        f"use a machine with more memory ({type(error).__name__}: {visible(error, 200)})."
    )


class LbtError(Exception):
    """A problem that the user can fix: the message names the file or key, what was found and what to do.

    The command line prints it without a traceback and exits with `exit_code`. Any other exception is a defect of the
    project and keeps its traceback.

    Args:
        *lines: the lines of the message. A line break inside a line is shown as `\\n`, because it can only come from a
            file or a name; the lines of another error are passed as `*str(error).splitlines()`.
    """

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines)

    def __str__(self) -> str:
        return "\n".join(map(visible, self.args))


class Stopped(LbtError):
    """A signal stopped the run after its state was saved; the exit code is that of a shell.

    Args:
        where: what was saved.
        by: the signal.
    """

    def __init__(self, where: str, by: signal.Signals) -> None:
        super().__init__(f"{where}, then stopped by {by.name}. The same command resumes from there.")
        self.exit_code = SIGNAL + by
