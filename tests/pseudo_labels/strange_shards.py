"""Spoiled shards and split tables, and what `lbt shards` does with them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from labelled_run import update_digest
from mutations import NUMBERS, TEXTS, another, damage
from watched_cases import call, require_plain, require_refusal

import lbt.commands.shards
import lbt.evaluation.scores
import lbt.pseudo_labels.survey
import lbt.pseudo_labels.true_labels
import lbt.views.gallery
import lbt.views.label_overlays
import lbt.views.shard_tables  # noqa: F401 - before the forks
from lbt.pseudo_labels.shard_structure import LABELS, PROBABILITIES

STORED = {"compression": "gzip", "shuffle": True, "fletcher32": True}
ROUND = Path("search", "lbt", "seed-0", "round-2", "pseudo_labels")
ALL = ("--csv", "out/shards.csv", "--png", "out/png", "--gallery", "out/gallery.html")


def replace(file: h5py.File, name: str, data: Any = None, **options: Any) -> None:
    """Write a data set anew, by default with the storage of a shard."""
    data = file[name][:] if data is None else np.asarray(data)
    del file[name]
    stored = {**STORED, "chunks": (1, *data.shape[1:])} if data.ndim and data.size else {}
    file.create_dataset(name, data=data, **stored | options)


def spoil(path: Path, draw: random.Random) -> str:
    """Change one thing of a shard; its checksums stay right."""
    with h5py.File(path, "r+") as file:
        names = LABELS if "label" in file else PROBABILITIES
        kind, name = draw.randrange(16), draw.choice(names)
        data = file[name][:]
        if kind <= 2:
            key = draw.choice(("classes", "round", "method", "seed", "teacher", "code", "schema_version"))
            value: Any = draw.choice((*TEXTS, *NUMBERS, [1, 2], ["a", "b"], b"\xff\xfe", np.zeros(3), None))
            del file.attrs[key]
            if value is not None:
                try:
                    file.attrs[key] = value
                except (TypeError, ValueError, OSError, UnicodeError, OverflowError):
                    file.attrs[key] = [0]
            return f"attribute {key} {ascii(value)[:60]}"
        if kind == 3:
            names = json.loads(file.attrs["classes"])
            names[draw.randrange(len(names))], said = another("road", draw)
            try:
                file.attrs["classes"] = json.dumps(names)
            except (RecursionError, TypeError):
                file.attrs["classes"] = "[" * 5000
            return f"a class is {said}"
        if kind == 4:
            ids = list(file["image_id"][:])
            text = draw.choice(TEXTS).encode("utf-8", "surrogatepass")[:5000]
            ids[draw.randrange(len(ids))] = text or b"x"
            replace(file, "image_id", np.array(ids))
            return f"an id is {text[:60]!r}"
        if kind == 5:
            sizes = file["size"][:]
            sizes[draw.randrange(len(sizes)), draw.randrange(2)] = draw.choice((0, -1, 2**31 - 1, -(2**31), 5, 1000))
            replace(file, "size", sizes)
            return f"size is {sizes.tolist()}"
        if kind == 6 and data.dtype.kind != "S":
            replace(file, name, data.astype(draw.choice(("f8", "i8", "S3", "u2", "c8", "?"))))
            return f"{name} has another type"
        if kind == 7:
            shapes = (data[:-1], data[None], np.concatenate([data, data]), data[:, :0] if data.ndim > 1 else data[:1])
            replace(file, name, draw.choice(shapes))
            return f"{name} has another shape"
        if kind == 8:
            chunks = {"chunks": data.shape}
            options = draw.choice(({"fletcher32": False}, {"compression": "lzf"}, chunks, {"shuffle": False}))
            replace(file, name, **options)
            return f"{name} is stored with {options}"
        if kind == 9:
            del file[name]
            links = (h5py.SoftLink("/palette"), h5py.SoftLink("/label"), h5py.ExternalLink("/etc/passwd", "/x"), None)
            link = draw.choice(links)
            if link is not None:
                file[name] = link
            return f"{name} is {link}"
        if kind == 10:
            shape = draw.choice(((10**8, *data.shape[1:]), (len(data), *(100_000 for _ in data.shape[1:]))))
            del file[name]
            chunks = (1, *data.shape[1:]) if data.ndim > 1 else (1,)
            file.create_dataset(name, shape=shape, dtype=data.dtype, chunks=chunks, **STORED)
            return f"{name} claims {shape}"
        if kind == 11:
            for other in names:
                values = file[other]
                shape, chunks, what = (10**8, *values.shape[1:]), values.chunks, values.dtype
                del file[other]
                file.create_dataset(other, shape=shape, dtype=what, chunks=chunks, **STORED)
            return "everything claims 10^8 images"
        if kind == 12:
            place = draw.choice(("x", "entry/x", "entry/data/label", "../x"))
            file[place] = draw.choice((1, h5py.SoftLink("/"), h5py.ExternalLink("a.h5", "/")))
            return "an entry more"
        if kind == 13:
            if "palette" in file:
                del file["palette"]
            black = np.zeros((256, 3), np.uint8)
            file["palette"] = draw.choice((black[:2], np.zeros(3), "red", black))
            return "another palette"
        if kind == 14:
            values = data.reshape(-1).copy()
            if values.dtype.kind != "S":
                values[draw.randrange(values.size)] = draw.choice((0, 1, 77, 255 if values.dtype == np.uint8 else 1000))
            replace(file, name, values.reshape(data.shape))
            return f"a value of {name}"
        layout = h5py.VirtualLayout(shape=data.shape, dtype=data.dtype)
        layout[...] = h5py.VirtualSource(path.with_name("shard-001.h5"), name, shape=data.shape)
        del file[name]
        file.create_virtual_dataset(name, layout)
        return f"{name} is virtual"


def spoil_split(path: Path, draw: random.Random) -> str:
    """Change cells of the split table."""
    lines = path.read_text().splitlines()
    row = draw.randrange(1, len(lines))
    cells = lines[row].split(",")
    place, text = draw.randrange(len(cells)), draw.choice(TEXTS)
    cells[place] = draw.choice((text, f'"{text}"', f"../{cells[place]}", f"/{cells[place]}"))
    lines[row] = ",".join(cells)
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass") + b"\n")
    return f"cell {place} of row {row} is {ascii(cells[place])[:60]}"


def judge(folder: Path, *, same: bool = False) -> str:
    """Check, summarise and show the run in `folder`; with `same`, the table must be that of the intact run."""
    code, out, err = call("shards", folder / "run", *ALL)
    require_plain(out)
    if code != 0:
        return require_refusal(code, err)
    require_plain(err)
    assert all(path.is_relative_to(folder / "out") for path in (folder / "out").rglob("*"))
    if same:
        assert (folder / "out" / "shards.csv").read_text() == (folder.parent / "shards.csv").read_text()
    return "used"


def case(folder: Path, draw: random.Random) -> Iterator[str]:
    """A round whose first shard or its probabilities are damaged or changed, or whose split has other names."""
    run = folder / "run"
    shutil.copytree(folder.parent / "run", run)
    path, kind = run / ROUND / draw.choice(("shard-000.h5", "probability-000.h5")), draw.randrange(10)
    if kind < 3:
        spoiled, said = damage(path.read_bytes(), draw)
        path.write_bytes(spoiled)
    elif kind == 3:
        said = spoil_split(run / "data" / "split.csv", draw)
    else:
        said = spoil(path, draw)
    update_digest(path)
    yield f"{kind}: {said}"
    yield judge(folder, same=kind < 3)
