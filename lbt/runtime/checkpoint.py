"""Checkpoints: tensors and plain values in one file that loads with `weights_only=True`."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from lbt.errors import LbtError
from lbt.files import SCHEMA_VERSION, atomic_path, open_regular

Check = Callable[[IO[bytes], int], None]
"""Given a pickle and its size, raises ValueError if nothing of it must be made."""


def save_checkpoint(path: Path | str, *, kind: str, identity: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically.

    Args:
        path: the file.
        kind: what it holds, such as `supernet` or `network`; the reader checks it.
        identity: plain values on which writer and reader must agree, such as `classes` (list of names).
        state: nested dicts and lists of tensors and plain values (state dicts of modules and optimisers).
    """
    with atomic_path(path) as temporary:
        content = {"schema_version": SCHEMA_VERSION, "kind": kind, "identity": dict(identity), **state}
        try:
            with open(temporary, "wb") as file:  # given a path, PyTorch would name the archive after it
                torch.save(content, file)
        except RuntimeError as error:  # raised by PyTorch's writer if the disk is full
            raise OSError(f"PyTorch could not write: {str(error).splitlines()[0]}") from error


def load_checkpoint(
    path: Path | str, *, kind: str, expect: Mapping[str, Any] | None = None, check_pickle: Check | None = None
) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Every byte is compared with the archive's checksums, which PyTorch's own reader ignores.

    Args:
        path: the file.
        kind: the required kind.
        expect: required items of the identity, such as the caller's list of classes.
        check_pickle: called before anything is made of the file.

    Raises:
        LbtError: the file is missing, truncated or damaged, holds something else, or has another schema version, kind
            or identity.
    """
    try:
        size = _verify(path, check_pickle)
        content = _share_strings(torch.load(path, map_location="cpu", weights_only=True), [size])
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing. Run the stage that makes it.") from error
    except IsADirectoryError as error:
        raise LbtError(f"{path}: is a folder. Name a {kind} file that a stage of lbt made.") from error
    except Exception as error:  # readers of archives and pickles may raise anything for other bytes
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LbtError(
            f"{path}: is damaged or no PyTorch file ({first}). If a stage made it, delete it and rerun that stage."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("identity"), dict):
        raise LbtError(f"{path}: was not written by lbt. Name a {kind} file that a stage of lbt made.")
    found = content.get("schema_version")
    if type(found) is not int or found != SCHEMA_VERSION:
        raise LbtError(f"{path}: schema version {found!r}, this program reads {SCHEMA_VERSION}. Rerun its stage.")
    if not isinstance(content.get("kind"), str):
        raise LbtError(f"{path}: does not say what it holds, a {kind} is needed. Name the right file.")
    if content["kind"] != kind:
        raise LbtError(f"{path}: holds a {content['kind']}, a {kind} is needed. Name the right file.")
    for key, value in (expect or {}).items():
        have = content["identity"].get(key)
        if repr(have) != repr(value):  # tensors in a list cannot be compared
            if isinstance(value, list) and isinstance(have, list) and len(have) != len(value):
                have, value = f"{len(have)} ({have})", f"{len(value)} ({value})"
            raise LbtError(f"{path}: was made with {key} = {have}; these settings have {value}. Rerun its stage.")
    return content


def _verify(path: Path | str, check_pickle: Check | None) -> int:
    """Compare every byte with its checksum; returns the size of the pickle, which makes all but the tensors' bytes."""
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
        if check_pickle is not None:
            with archive.open(pickles[0]) as pickle:
                check_pickle(pickle, pickles[0].file_size)
        return pickles[0].file_size


def _share_strings(value: Any, left: list[int]) -> Any:
    """The value with equal strings as one object, as in a run that read no string from a file.

    Pickle writes a repeated object as a reference. Otherwise the bytes of a checkpoint would show whether its
    optimisers came from another checkpoint.

    Args:
        value: the content of a file.
        left: how many more values there may be; a file of few bytes can name one list so often that it has no end.
    """
    left[0] -= 1
    if left[0] < 0:
        raise ValueError("its lists repeat each other without end")
    if type(value) is dict:
        return {_share_strings(key, left): _share_strings(item, left) for key, item in value.items()}
    if type(value) is list:
        return [_share_strings(item, left) for item in value]
    return sys.intern(value) if type(value) is str else value


def require_shapes(saved: Any, needed: Mapping[str, Tensor]) -> None:
    """Compare tensors from a file with those of a module, which may be on the meta device, before they are copied.

    A module of float64 also takes float32, which loses nothing.

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
        fits = have in (need, need.replace("float64", "float32"))
        if not fits or saved[name].layout != torch.strided or saved[name].device.type == "meta":
            raise ValueError(f"{name} is {have}, {need} is needed")
    storages = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in saved.values()}
    if sum(value.numel() * value.element_size() for value in saved.values()) > sum(storages.values()):
        raise ValueError("its tensors claim more values than it holds")


Parts = Mapping[str, Any]
"""By name: tensors, generators, lists of plain rows, dicts of these, and objects with a `state_dict`."""


def to_state(part: Any) -> Any:
    """The present values of a part, for a checkpoint; tensors are not copied.

    Rows are saved as JSON text, which keeps every float and NaN, because a checkpoint of single numbers is slow.
    """
    if isinstance(part, Tensor):
        return part.detach()
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, list):
        return json.dumps(part)
    if isinstance(part, Mapping):
        return {name: to_state(inner) for name, inner in part.items()}
    return part.state_dict()


def load_state(part: Any, saved: Any) -> None:
    """Set a part, in place, to the values that `to_state` returned."""
    if isinstance(part, Tensor):
        with torch.no_grad():
            part.copy_(saved)
    elif isinstance(part, torch.Generator):
        part.set_state(saved)
    elif isinstance(part, list):
        part[:] = json.loads(saved)
    elif isinstance(part, Mapping):
        for name, inner in part.items():
            load_state(inner, saved[name])
    else:
        part.load_state_dict(saved)
