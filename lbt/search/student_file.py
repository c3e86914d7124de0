"""The checkpoint file of the student after its warm-up: that stage writes it, the first round of a method reads it.

The weights have torchvision's names, so every method can read them, whatever it makes of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lbt.errors import LbtError
from lbt.runtime.checkpoint import load_checkpoint, load_state, require_shapes

KIND = "student"


def student_identity(classes: tuple[str, ...], model: str, seed: int) -> dict[str, Any]:
    """The identity that is stored in a student's checkpoint: names of the classes, torchvision's model, seed."""
    return {"classes": list(classes), "model": model, "seed": seed}


def load_student(path: Path, state: Mapping[str, Tensor], identity: Mapping[str, Any]) -> None:
    """Overwrite a network, in place, with the weights and running statistics of a checkpoint.

    Args:
        path: the checkpoint.
        state: the network's own tensors by torchvision's names; they do not change if anything does not fit.
        identity: what `student_identity` returns for the network.

    Raises:
        LbtError: the file is missing, damaged or of another kind, or was made with other classes, another model or
            another seed.
    """
    content = load_checkpoint(path, kind=KIND, expect=identity)
    try:
        require_shapes(content.get("student"), state)
    except ValueError as error:
        raise LbtError(f"{path}: cannot be used, because {error}. Rerun the stage that makes it.") from error
    load_state(state, content["student"])
