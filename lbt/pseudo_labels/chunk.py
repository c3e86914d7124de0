"""A compressed chunk of an HDF5 dataset of bytes, as HDF5 would make it.

HDF5 compresses while it holds a lock that only one thread can have. Here a thread compresses beside others, and HDF5
writes the bytes as they are (`h5py.h5d.DatasetID.write_direct_chunk`).
"""

from __future__ import annotations

import zlib

import numpy as np

LEVEL = 4
"""Of the compression, h5py's own."""
_MODULUS = 65535


def make_chunk(values: np.ndarray) -> bytes:
    """Shuffle, compress and add the checksum; shuffling does not change values (...) uint8."""
    compressed = zlib.compress(np.ascontiguousarray(values).data, LEVEL)
    return compressed + fletcher32(compressed).to_bytes(4, "little")


def fletcher32(data: bytes) -> int:
    """Fletcher's checksum of bytes that are not all 0: 16-bit words, the first byte high, summed modulo 65535.

    HDF5 represents a sum of 0 by 65535 (`H5_checksum_fletcher32` in its H5checksum.c).
    """
    words = np.frombuffer(data + b"\0" * (len(data) % 2), ">u2").astype(np.uint64)
    weights = np.arange(len(words), 0, -1, dtype=np.uint64) % _MODULUS  # so that no sum overflows
    sums = [int(part.sum()) for part in (words, words * weights)]
    low, high = (_MODULUS if total % _MODULUS == 0 else total % _MODULUS for total in sums)
    return high << 16 | low
