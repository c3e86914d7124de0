"""Spoiled files of networks, and what `lbt predict` does with them."""

from __future__ import annotations

import io
import random
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mutations import another, damage, mutate
from PIL import Image
from watched_cases import call, require_plain, require_refusal

import lbt.inference.network_file
import lbt.inference.predict  # noqa: F401 - before the forks

torch.set_num_threads(1)
WRITTEN = {"out/classes.csv", "out/labels/photo.png", "out/legend.png", "out/overlays/photo.png"}


def predict(network: Path, folder: Path) -> tuple[int, str, str]:
    """Segment the photograph beside `folder` with a network."""
    return call("predict", network, folder.parent / "photo.png", "--output", "out", "--device", "cpu")


def labels_of(folder: Path) -> np.ndarray:
    return np.asarray(Image.open(folder / "out" / "labels" / "photo.png"))


def judge(folder: Path, *, same: bool = False) -> str:
    """Segment with `network.pt`: one message, or whole results, which are those of the intact file if `same`."""
    code, out, err = predict(folder / "network.pt", folder)
    if code != 0:
        return require_refusal(code, err)
    require_plain(out + err)
    found = {path.relative_to(folder).as_posix() for path in (folder / "out").rglob("*") if path.is_file()}
    assert found == WRITTEN
    classes = (folder / "out" / "classes.csv").read_text().splitlines()[1:]
    assert not [line for line in classes if line.split(",", 1)[1].startswith(("=", "@", "\t"))]
    assert labels_of(folder).max() < len(classes)
    if same:
        assert np.array_equal(labels_of(folder), np.asarray(Image.open(folder.parent / "labels.png")))
    return "used"


def spoil_weights(weights: dict[Any, Any], draw: random.Random) -> str:
    """Change one tensor, or its name."""
    names = [name for name in weights if not name.startswith("auxiliary")]
    name = draw.choice(names)
    value, kind = weights[name], draw.randrange(14)
    changes = {
        0: lambda: value.double(),
        1: lambda: value.to(torch.complex64),
        2: lambda: value.to(torch.int32),
        3: lambda: value.to(torch.bfloat16),
        4: lambda: torch.zeros(1).expand(10**9, 2, 3) if value.ndim else torch.zeros(1).expand(10**12),
        5: lambda: value.float().flatten()[:1].expand(value.numel()).reshape(value.shape),
        6: lambda: value.float().to_sparse(),
        7: lambda: torch.empty(value.shape, device="meta"),
        8: lambda: value.flatten()[:-1].clone(),
        9: lambda: value * draw.choice((float("nan"), float("inf"), -float("inf"))),
        10: lambda: -value.abs() - 1,
        11: lambda: another(None, draw)[0],
        12: lambda: torch.nn.Parameter(value.float()),
    }
    if kind == 13:
        weights[draw.choice(("", "x", 7, "\x1b[2J", "a" * 100_000, f"{name}.x"))] = weights.pop(name)
        return f"{name} renamed"
    weights[name] = changes[kind]()
    return f"{name}: change {kind}"


def rewrite_archive(content: bytes, draw: random.Random) -> tuple[bytes, str]:
    """The same entries with one of them compressed, doubled, changed or added, with right checksums."""
    kind, made = draw.randrange(5), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(made, "w") as target:
        entries = source.infolist()
        chosen = draw.choice(entries)
        for entry in entries:
            data = source.read(entry)
            if entry is chosen and kind == 0:
                target.writestr(entry, data, compress_type=zipfile.ZIP_DEFLATED)
                continue
            if entry is chosen and kind == 1:
                data, _ = damage(data or b"x", draw)
            if entry is chosen and kind == 2:
                continue
            target.writestr(entry.filename, data)
            if entry is chosen and kind == 3:
                target.writestr(entry.filename.upper(), data[::-1])
        if kind == 4:
            target.writestr("archive/../../escaped", b"x")
    return made.getvalue(), f"{chosen.filename}: rewritten in way {kind}"


def case(folder: Path, draw: random.Random) -> Iterator[str]:
    """A damaged file, a file with other values, or a file with other weights."""
    intact, path, kind = folder.parent / "network.pt", folder / "network.pt", draw.randrange(10)
    if kind < 3:
        spoiled, said = damage(intact.read_bytes(), draw)
        path.write_bytes(spoiled)
    elif kind == 3:
        spoiled, said = rewrite_archive(intact.read_bytes(), draw)
        path.write_bytes(spoiled)
    else:
        content: Any = torch.load(intact, weights_only=True)
        if kind < 8:
            weights = content.pop("network")
            content, said = mutate(content, draw)
            if isinstance(content, dict):
                content["network"] = weights
        else:
            said = spoil_weights(content["network"], draw)
        sys.setrecursionlimit(50_000)
        torch.save(content, path)
        sys.setrecursionlimit(1_000)
    yield f"{kind}: {said}"
    yield judge(folder, same=kind < 4)
