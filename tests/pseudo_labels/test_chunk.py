"""Chunks that HDF5 did not make: it reads them, finds their checksum right, and would have made the same bytes."""

import h5py
import numpy as np
import pytest

from lbt.pseudo_labels.chunk import fletcher32, make_chunk

STORED = {"compression": "gzip", "compression_opts": 4, "shuffle": True, "fletcher32": True}
RANDOM = np.random.default_rng(0)
VALUES = {
    "one value": np.zeros((1, 1), np.uint8),
    "an odd number of bytes": RANDOM.integers(0, 3, (7, 33), dtype=np.uint8),
    "colours": RANDOM.integers(0, 2, (40, 50, 3), dtype=np.uint8),
    "not contiguous": RANDOM.integers(0, 9, (64, 40), dtype=np.uint8).T,
    "larger than a block of the sum": RANDOM.integers(0, 200, (300, 300), dtype=np.uint8),
}


@pytest.mark.parametrize("name", VALUES)
def test_hdf5_reads_the_chunk_and_would_have_written_it(tmp_path, name):
    values = VALUES[name]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        shape = (1, *values.shape)
        ours, theirs = (file.create_dataset(name, shape, np.uint8, chunks=shape, **STORED) for name in "ab")
        ours.id.write_direct_chunk((0,) * ours.ndim, make_chunk(values))
        theirs[0] = values
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["a"][0], values)  # compares the checksum
        mask, stored = file["b"].id.read_direct_chunk((0,) * file["b"].ndim)
        assert mask or stored == make_chunk(values)  # HDF5 leaves out what does not get smaller


def loop(data: bytes) -> int:
    """HDF5's own loop, with a reduction after each word."""
    low = high = 0
    padded = data + b"\0" * (len(data) % 2)
    for place in range(0, len(padded), 2):
        low = low + (padded[place] << 8 | padded[place + 1])
        low = (low & 0xFFFF) + (low >> 16)
        high = high + low
        high = (high & 0xFFFF) + (high >> 16)
    return high << 16 | low


@pytest.mark.parametrize("data", [b"\x01", b"\xff\xff", b"\xff\xff" * 500, bytes(range(256)) * 700, b"x" * 200_001])
def test_the_checksum_is_that_of_a_loop(data):
    assert fletcher32(data) == loop(data)


def test_a_wrong_checksum_is_noticed(tmp_path):
    chunk = bytearray(make_chunk(VALUES["colours"]))
    chunk[-1] ^= 1
    with h5py.File(tmp_path / "x.h5", "w") as file:
        data = file.create_dataset("a", (1, 40, 50, 3), np.uint8, chunks=(1, 40, 50, 3), **STORED)
        data.id.write_direct_chunk((0, 0, 0, 0), bytes(chunk))
    with h5py.File(tmp_path / "x.h5") as file, pytest.raises(OSError, match="filter returned failure"):
        file["a"][0]
