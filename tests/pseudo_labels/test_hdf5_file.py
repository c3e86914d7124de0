"""`DiskFile` hides errors of writing from HDF5 and raises them in `check`."""

import pytest

from lbt.pseudo_labels.hdf5_file import DiskFile


def test_an_error_of_writing_is_kept_until_check(tmp_path, monkeypatch):
    with DiskFile(tmp_path / "file") as disk:
        assert disk.write(b"written") == 7
        disk.check()
        monkeypatch.setattr(disk, "_file", Full(disk._file))
        assert disk.write(b"lost") == 4 and disk.write(b"and this") == 8
        with pytest.raises(OSError, match="full"):
            disk.check()
    assert (tmp_path / "file").read_bytes() == b"written"


def test_a_write_in_parts_is_completed(tmp_path, monkeypatch):
    with DiskFile(tmp_path / "file") as disk:
        monkeypatch.setattr(disk, "_file", Slow(disk._file))
        assert disk.write(b"in several parts") == 16
        disk.check()
    assert (tmp_path / "file").read_bytes() == b"in several parts"


class Slow:
    """A file of which the operating system writes three bytes at a time."""

    def __init__(self, file) -> None:
        self.file, self.close = file, file.close

    def write(self, data: memoryview) -> int:
        return self.file.write(data[:3])


class Full:
    """A file on a disk without space."""

    def __init__(self, file) -> None:
        self.close = file.close

    def write(self, data: memoryview) -> int:
        raise OSError("full")
