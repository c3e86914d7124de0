"""The checkpoint file of a supernet and its architecture: the warm-up and each round write it, many stages read it.

The module is separate from the round, so that editing the round does not rerun stages that only read this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.files import digest
from lbt.runtime.checkpoint import load_checkpoint, require_shapes
from lbt.space.architecture import Architecture, architecture_shapes
from lbt.space.supernet import Supernet, memory_formats

KIND = "supernet"


def supernet_identity(
    classes: tuple[str, ...], space: SpaceSettings, seed: int, method: str, round: int
) -> dict[str, Any]:
    """The identity that is stored in a supernet's checkpoint."""
    return {**_content_identity(classes, space), "seed": seed, "method": method, "round": round}


def _content_identity(classes: tuple[str, ...], space: SpaceSettings) -> dict[str, Any]:
    return {"classes": list(classes), "space": digest(space.model_dump(mode="json"))}


def load_supernet(
    path: Path, classes: tuple[str, ...], space: SpaceSettings, device: torch.device
) -> tuple[Supernet, Architecture, dict[str, Any]]:
    """The supernet on the device and the architecture of a warm-up or of a round, and the whole checkpoint.

    The architecture and the checkpoint's other tensors are on the host.

    Raises:
        LbtError: the file is damaged, or was made with other classes or another space.
    """
    content = load_checkpoint(path, kind=KIND, expect=_content_identity(classes, space))
    supernet = Supernet(space, len(classes), memory_formats(device)).to(device)
    try:
        require_shapes(content.get("supernet"), supernet.state_dict())
        logits = {name: torch.empty(shape, device="meta") for name, shape in architecture_shapes(space).items()}
        require_shapes(content.get("architecture"), logits)
    except ValueError as error:
        raise LbtError(f"{path}: cannot be used, because {error}. Rerun the stage that makes it.") from error
    supernet.load_state_dict(content["supernet"])
    return supernet, content["architecture"], content
