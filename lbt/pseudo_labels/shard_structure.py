"""Open pseudo labels that somebody else may have made: a structure that labelling does not write is refused unread.

HDF5 follows links into other files, joins data sets of several files, loads programs that decode data, and reads zeros
where nothing is stored. Our files have none of these: every data set is stored in the file by hard links, whole, and
with checksums.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5l, h5z

from lbt.config.names import LONGEST_PATH, MOST_CLASSES, require_below, require_class
from lbt.errors import LbtError, visible
from lbt.files import SCHEMA_VERSION
from lbt.space.padding import count_blocks

LABELS = ("label", "color", "confidence", "size", "image_id")
"""The datasets of a shard."""
PROBABILITIES = ("probability", "size", "image_id")
"""The datasets of a file of probabilities."""
STRIDE = 8
"""Pixels between two probabilities or confidences, the network's output stride."""
MOST_PIXELS = 2**25
"""Pixels to which the images of a small file may be padded, 8K video; a large file may have more (`_PIXELS_A_BYTE`)."""
LONGEST_TEXT = 200_000
"""Characters of an attribute; the names of the classes take the most."""
_PIXELS_A_BYTE = 100
"""Most pixels of an image for each byte of the file, if it has more than `MOST_PIXELS`."""
_LEAST_BYTES = 4 * len(PROBABILITIES)
"""Bytes that an image takes at least: a checksum in each data set."""
_V110 = 3
"""Version of the superblock of an HDF5 file that has checksums in its own records."""
_BY_IMAGE = (h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE, h5z.FILTER_FLETCHER32)
_CHECKSUM = (h5z.FILTER_FLETCHER32,)
_GROUPS: Mapping[tuple[str, ...], Mapping[str, set[str]]] = {
    LABELS: {"": {*LABELS, "palette", "entry"}, "entry": {"data"}, "entry/data": {"color", "y"}},
    PROBABILITIES: {"": {*PROBABILITIES}},
}
"""The names in each group of a file, by its datasets."""


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn an error of HDF5 inside the `with` block into a message that names the file and `what` was being read.

    Raises:
        LbtError: the file is missing, damaged or not a shard.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing. Run the labelling stage.") from error
    except (OSError, KeyError, RuntimeError, MemoryError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise LbtError(
            f"{path}: {what} cannot be read, the file is damaged ({first}). Delete it and label again."
        ) from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise LbtError(f"{path}: is not a shard of pseudo labels ({error}). Delete it and label again.") from error


def open_shard(path: Path) -> h5py.File:
    """Open a shard for reading, if its structure is that of `lbt.pseudo_labels.shard_format`.

    Raises:
        LbtError: the file is missing, damaged, or has another structure.
    """
    return _open(path, LABELS)


def open_probabilities(path: Path) -> h5py.File:
    """Open a file of probabilities for reading; see `open_shard`."""
    return _open(path, PROBABILITIES)


def _open(path: Path, datasets: tuple[str, ...]) -> h5py.File:
    with reading(path, "its content"):
        if path.exists() and not path.is_file():
            raise ValueError("it is not a file")
        file = h5py.File(path, "r", locking=False)  # some file systems have no locks, and a whole file never changes
        try:
            problem = _find_problem(file, path.stat().st_size, datasets)
        except BaseException:
            file.close()
            raise
    if problem is not None:
        file.close()
        raise LbtError(f"{path}: {problem}. Delete it and label again.")
    return file


def stride_size(size: Sequence[int]) -> tuple[int, int]:
    """Height and width of the probabilities and confidences of an image of `size` (H, W)."""
    return count_blocks(int(size[0]), STRIDE), count_blocks(int(size[1]), STRIDE)


def read_text(file: h5py.File, name: str) -> str:
    """A text attribute.

    Raises:
        ValueError: it is missing, is not text, or is longer than `LONGEST_TEXT`.
    """
    if name not in file.attrs:
        raise ValueError(f"it lacks the attribute {name}")
    stored = file.attrs.get_id(name)
    if stored.shape != () or h5py.check_string_dtype(stored.dtype) is None:
        raise ValueError(f"its attribute {name} is not text")
    value = file.attrs[name]
    text = value if isinstance(value, str) else value.decode()
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"its attribute {name} has {len(text)} characters, at most {LONGEST_TEXT} are read")
    return text


def read_number(file: h5py.File, name: str) -> int:
    """An attribute that is an integer, 0 or more.

    Raises:
        ValueError: it is missing or something else.
    """
    if name not in file.attrs:
        raise ValueError(f"it lacks the attribute {name}")
    stored = file.attrs.get_id(name)
    if stored.shape != () or stored.dtype.kind not in "iu" or file.attrs[name] < 0:
        raise ValueError(f"its attribute {name} is not an integer of 0 or more")
    return int(file.attrs[name])


def read_classes(file: h5py.File) -> tuple[str, ...]:
    """The names of the classes.

    Raises:
        ValueError: they are not names, not distinct, or too many.
    """
    names = json.loads(read_text(file, "classes"))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("its classes are not a list of names")
    if not 1 <= len(names) <= MOST_CLASSES or len(set(names)) < len(names):
        raise ValueError(f"it has {len(names)} classes, 1 to {MOST_CLASSES} different ones are needed")
    return tuple(map(require_class, names))


def read_ids(file: h5py.File) -> tuple[str, ...]:
    """The identifiers of the images.

    Raises:
        ValueError: one is not a path that stays below a folder.
    """
    return tuple(require_below(name.decode()) for name in file["image_id"][:])


def _find_problem(file: h5py.File, size: int, datasets: tuple[str, ...]) -> str | None:
    """The first difference between the structure of a file of `size` bytes and that with these datasets."""
    version = file.id.get_create_plist().get_version()[0]
    if version < _V110:
        return f"has the HDF5 format {version}, which does not notice damage; {_V110} is needed"
    if file.userblock_size:
        return "has other content before its own"
    schema = read_number(file, "schema_version")
    if schema != SCHEMA_VERSION:
        return f"has schema version {schema}, this program reads {SCHEMA_VERSION}"
    for group, names in _GROUPS[datasets].items():
        if (problem := _wrong_names(file, group, names)) is not None:
            return problem
    return _wrong_data(file, size, datasets)


def _wrong_names(file: h5py.File, name: str, names: set[str]) -> str | None:
    group = file[name or "/"]
    if not isinstance(group, h5py.Group):
        return f"has a data set where the group {name} should be"
    missing = sorted(names - set(group)) if len(group) < 100 else sorted(names)
    if missing and len(group) <= len(names):
        return f"lacks the dataset {missing[0]}"
    if len(group) != len(names):
        return f"has {len(group)} entries in the group {name or '/'}, {len(names)} are needed"
    for key in names:
        if group.id.links.get_info(key.encode()).type != h5l.TYPE_HARD:
            return f"has a link to another place at {key}"
    return None


def _wrong_data(file: h5py.File, size: int, datasets: tuple[str, ...]) -> str | None:
    """Data sets whose shape, type or storage differs, or that claim more than the file holds."""
    shown = ("palette", "entry/data/y") if datasets == LABELS else ()
    for name in (*datasets, *shown):
        if not isinstance(file[name], h5py.Dataset):
            return f"has no dataset at {name}"
    count, first = file["image_id"].shape[0], file[datasets[0]].shape
    if len(first) != (3 if datasets == LABELS else 4):
        return f"has the shape {first} of {datasets[0]}"
    if not 1 <= count <= size // _LEAST_BYTES:
        return f"claims {count} images, which a file of {size} bytes cannot hold"
    padded = first[1:] if datasets == LABELS else tuple(STRIDE * side for side in first[2:])
    if min(first) < 1 or padded[0] * padded[1] > max(MOST_PIXELS, _PIXELS_A_BYTE * size):
        return f"claims images of {padded[1]} x {padded[0]} pixels (width x height), which it cannot hold"
    kinds: Mapping[str, tuple[tuple[int, ...], np.dtype]] = {
        "label": ((count, *padded), np.dtype(np.uint8)),
        "color": ((count, *padded, 3), np.dtype(np.uint8)),
        "confidence": ((count, *stride_size(padded)), np.dtype(np.uint8)),
        "probability": ((count, len(read_classes(file)), *stride_size(padded)), np.dtype(np.uint8)),
        "size": ((count, 2), np.dtype(np.int32)),
        "image_id": ((count,), np.dtype(f"S{min(file['image_id'].dtype.itemsize, LONGEST_PATH)}")),
    }
    stored = 0
    for name in datasets:
        found, (shape, kind) = file[name], kinds[name]
        if found.shape != shape or found.dtype != kind:
            return f"{name} is {visible(found.dtype, 60)} {found.shape}, {kind} {shape} is needed"
        if (problem := _wrong_storage(found, name, _BY_IMAGE, (1, *shape[1:]))) is not None:
            return problem
        stored += found.id.get_storage_size()
    if stored > size:
        return "claims to hold more bytes than it has"
    return _wrong_sizes(file, padded) or (_wrong_palette(file["palette"]) if datasets == LABELS else None)


def _wrong_palette(palette: h5py.Dataset) -> str | None:
    if palette.shape != (256, 3) or palette.dtype != np.uint8:
        return f"palette is {visible(palette.dtype, 60)} {palette.shape}, uint8 (256, 3) is needed"
    return _wrong_storage(palette, "palette", _CHECKSUM, palette.shape)


def _wrong_sizes(file: h5py.File, padded: tuple[int, ...]) -> str | None:
    """The first image whose size does not fit the space that it has."""
    sizes = file["size"][:]
    wrong = np.argwhere(((sizes < 1) | (sizes > padded)).any(axis=1))
    if not len(wrong):
        return None
    index = int(wrong[0, 0])
    return f"size[{index}] is {sizes[index].tolist()} of no image"


def _wrong_storage(dataset: h5py.Dataset, name: str, filters: tuple[int, ...], chunks: tuple[int, ...]) -> str | None:
    """How the storage of a data set differs from chunks of this shape, all present and with checksums."""
    plan = dataset.id.get_create_plist()
    if plan.get_layout() != h5d.CHUNKED or dataset.chunks != chunks or dataset.maxshape != dataset.shape:
        return f"{name} is not stored in the file in one piece for each image"
    if tuple(plan.get_filter(place)[0] for place in range(plan.get_nfilters())) != filters:
        return f"{name} is not stored with checksums and the compression of labelling"
    pieces: list[h5d.StoreInfo] = []
    dataset.id.chunk_iter(pieces.append)
    unchecked = 1 << filters.index(h5z.FILTER_FLETCHER32)
    if len(pieces) != dataset.shape[0] // chunks[0] or any(piece.filter_mask & unchecked for piece in pieces):
        return f"{name} lacks the values of some images, or their checksums"
    return None
