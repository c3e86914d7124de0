"""Checks of a checkpoint that anybody may have made, before its content is used."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbt.files import open_regular

SMALL = 1_000_000
"""Bytes that names, plain values and the description of the tensors take at most in a file of `plain` content."""
_PLAIN = frozenset(
    {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch LongStorage", "collections OrderedDict"}
)
"""What such a file may name: tensors of float32 and int64, and the dictionary of a module's weights."""
_NAMES = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"})
"""Instructions of a pickle that name something of Python."""


def verify_archive(path: Path | str, plain: bool) -> int:
    """Compare every byte of a PyTorch file with its checksum, which PyTorch's own reader ignores.

    Args:
        path: the file.
        plain: also refuse everything but tensors of float32 and int64 and at most `SMALL` bytes of plain values.

    Returns:
        The size of its pickle, which makes everything but the bytes of the tensors.

    Raises:
        OSError: the file cannot be read.
        ValueError, BadZipFile: it is damaged, or holds something else.
    """
    with open(path, "rb", opener=open_regular) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        # PyTorch's reader takes an entry with attributes for a folder, so its tensor could hold anything
        odd = (e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED or e.external_attr)
        bad = next(odd, None) or archive.testzip()
        if bad is not None:
            raise zipfile.BadZipFile(f"wrong checksum of {bad}")
        pickles = [e for e in entries if e.filename.lower().endswith("/data.pkl")]
        if len(pickles) != 1 or len({e.filename.lower() for e in entries}) < len(entries):
            raise zipfile.BadZipFile("not one file of each name, or no data.pkl")
        if plain:
            if pickles[0].file_size > SMALL:
                raise ValueError(f"{pickles[0].file_size} bytes of names and plain values, at most {SMALL} are read")
            for code, argument, _ in pickletools.genops(archive.read(pickles[0])):
                if code.name in _NAMES and argument not in _PLAIN:
                    raise ValueError(f"it holds {argument or code.name}, tensors and plain values are needed")
        return pickles[0].file_size


def require_shapes(saved: Any, needed: Mapping[str, Tensor]) -> None:
    """Compare tensors from a file with those of a module, which may be on the meta device, before they are copied.

    Raises:
        ValueError: a name, a shape or a type differs, or the tensors claim more values than the file holds.
    """
    if not isinstance(saved, Mapping) or not all(isinstance(value, Tensor) for value in saved.values()):
        raise ValueError("its weights are not tensors by name")
    different = sorted(map(str, set(needed) ^ set(saved)))
    if different:
        more = f" and {len(different) - 1} more" if len(different) > 1 else ""
        raise ValueError(f"it {'lacks' if different[0] in needed else 'has the unknown'} {different[0]}{more}")
    for name, own in needed.items():
        have, need = (f"{str(t.dtype).removeprefix('torch.')} {tuple(t.shape)}" for t in (saved[name], own))
        if have != need or saved[name].layout != torch.strided or saved[name].device.type == "meta":
            raise ValueError(f"{name} is {have}, {need} is needed")
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in saved.values()}
    if sum(value.numel() * value.element_size() for value in saved.values()) > sum(storages.values()):
        raise ValueError("its tensors claim more values than it holds")


def require_sound(weights: Mapping[str, Tensor]) -> None:
    """Refuse weights with which a network computes nonsense.

    Raises:
        ValueError: a value is NaN or infinite, or a variance is negative.
    """
    for name, value in weights.items():
        if not value.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity")
        if name.endswith("running_var") and (value < 0).any():
            raise ValueError(f"{name} holds a negative variance")
