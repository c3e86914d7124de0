"""A file for HDF5 to write to, in which a full disk is an error of Python and not a crash."""

from __future__ import annotations

import io
import os
from pathlib import Path


class DiskFile(io.RawIOBase):
    """A new file for `h5py.File(disk, "w")` that keeps to itself what goes wrong, until `check` is called.

    HDF5 holds on to a file whose last bytes it could not write, and ends the process when it tries again at exit.
    Here every write succeeds for HDF5: after the first that did not, nothing more is written. Whoever writes calls
    `check` from time to time, to stop early, and once HDF5 has closed the file; then drops the file if it raises.

    Args:
        path: where to write; a file that is there is emptied.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._error: BaseException | None = None
        self._file = io.FileIO(path, "w+")

    def check(self) -> None:
        """Raise what went wrong since the file was opened, such as OSError for a full disk."""
        if self._error is not None:
            raise self._error

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:
        return self._file.readinto(buffer)

    def write(self, data: memoryview) -> int:
        """Write all of `data` in bytes, which the operating system may take in parts."""
        rest = memoryview(data).cast("B")
        length = len(rest)
        try:
            while rest and self._error is None:
                rest = rest[self._file.write(rest) :]
        except BaseException as error:  # also an interrupt: HDF5 would take it for a failed write
            self._error = error
        return length

    def truncate(self, size: int | None = None) -> int:
        try:
            if self._error is None:
                self._file.truncate(size)
        except BaseException as error:
            self._error = error
        return self._file.tell() if size is None else size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
