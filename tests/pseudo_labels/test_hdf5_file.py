"""Errors of writing: HDF5 does not see them, and they come up when they are asked for."""

import pytest

from lbt.pseudo_labels.hdf5_file import DiskFile


def test_a_disk_file_keeps_what_went_wrong_until_it_is_asked(tmp_path, monkeypatch):
    with DiskFile(tmp_path / "file") as disk:
        assert disk.write(b"written") == 7
        disk.check()
        monkeypatch.setattr(disk, "_file", Full(disk._file))
        assert disk.write(b"lost") == 4 and disk.write(b"and this") == 8
        with pytest.raises(OSError, match="full"):
            disk.check()
    assert (tmp_path / "file").read_bytes() == b"written"


class Full:
    """A file on a disk without space."""

    def __init__(self, file) -> None:
        self.close = file.close

    def write(self, data: memoryview) -> int:
        raise OSError("full")
