"""`DiskFile`: a file for HDF5 in which a full disk is a Python error instead of a crash."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer  # in collections.abc from Python 3.12 on


class DiskFile(io.RawIOBase):
    """A new file for `h5py.File(disk, "w")` that hides errors from HDF5 until `check` is called.

    HDF5 keeps a file open if it could not write the last bytes, tries again at exit, and then ends the process. With
    this class every write succeeds for HDF5, but after the first error nothing more is written. The caller calls
    `check` from time to time, to stop early, and after HDF5 has closed the file, and drops the file if it raises.

    Args:
        path: where to write; an existing file is emptied.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._error: BaseException | None = None
        self._file = io.FileIO(path, "w+")

    def check(self) -> None:
        """Raise the first error since the file was opened, such as OSError for a full disk."""
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

    def readinto(self, buffer: Buffer) -> int | None:
        return self._file.readinto(buffer)

    def write(self, data: Buffer) -> int:
        """Write all bytes of `data`, in several calls if the operating system takes a part at a time."""
        rest = memoryview(data).cast("B")
        length = len(rest)
        try:
            while rest and self._error is None:
                rest = rest[self._file.write(rest) :]
        except BaseException as error:  # also an interrupt, which HDF5 would report as a failed write
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
