"""The live objects of a loop as plain values, and back into the same objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

Parts = Mapping[str, Any]
"""By name: tensors, generators, lists of plain rows, dicts of these, and all that has a `state_dict`."""


def captured(part: Any) -> Any:
    """The part's present values, for a checkpoint; tensors are not copied.

    Rows travel as JSON text, which keeps every float and NaN, because a checkpoint of single numbers is slow.
    """
    if isinstance(part, Tensor):
        return part.detach()
    if isinstance(part, torch.Generator):
        return part.get_state()
    if isinstance(part, list):
        return json.dumps(part)
    if isinstance(part, Mapping):
        return {name: captured(inner) for name, inner in part.items()}
    return part.state_dict()


def restore(part: Any, saved: Any) -> None:
    """Bring a part, in place, to the values that `captured` returned."""
    if isinstance(part, Tensor):
        with torch.no_grad():
            part.copy_(saved)
    elif isinstance(part, torch.Generator):
        part.set_state(saved)
    elif isinstance(part, list):
        part[:] = json.loads(saved)
    elif isinstance(part, Mapping):
        for name, inner in part.items():
            restore(inner, saved[name])
    else:
        part.load_state_dict(saved)
