"""The file of a supernet and its architecture, which the warm-up and each round leave and many stages read.

It is a module of its own, so that a change in what a round does repeats no stage that only writes or reads the file.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.files import digest
from lbt.runtime.checkpoint import load_checkpoint
from lbt.space.supernet import Supernet

KIND = "supernet"


def supernet_identity(classes: tuple[str, ...], space: SpaceSettings, seed: int, method: str, round: int) -> dict:
    """What a supernet's checkpoint says of itself."""
    return {
        "classes": list(classes),
        "space": digest(space.model_dump(mode="json")),
        "seed": seed,
        "method": method,
        "round": round,
    }


def load_supernet(
    path: Path, classes: tuple[str, ...], space: SpaceSettings, device: torch.device
) -> tuple[Supernet, dict[str, Tensor], dict]:
    """The supernet and the architecture of a warm-up or of a round, and the whole checkpoint.

    Raises:
        LbtError: damaged file, other classes or another space.
    """
    expect = {"classes": list(classes), "space": digest(space.model_dump(mode="json"))}
    content = load_checkpoint(path, kind=KIND, expect=expect)
    supernet = Supernet(space, len(classes)).to(device)
    supernet.load_state_dict(content["supernet"])
    architecture = {name: value.to(device) for name, value in content["architecture"].items()}
    return supernet, architecture, content
