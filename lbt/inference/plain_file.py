"""Checks of a network file that anybody may have made: plain content, and weights that make sense."""

from __future__ import annotations

import pickletools
from collections.abc import Mapping
from typing import IO

from torch import Tensor

SMALL = 1_000_000
"""Bytes that names, plain values and the description of the tensors take at most in a file of `plain` content."""
_PLAIN = frozenset(
    {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch LongStorage", "collections OrderedDict"}
)
"""What such a file may name: tensors of float32 and int64, and the dictionary of a module's weights."""
_NAMES = frozenset({"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"})
"""Instructions of a pickle that name something of Python."""


def require_plain(pickle: IO[bytes], size: int) -> None:
    """Refuse the pickle of a file that describes more than tensors of float32 and int64 and a few plain values.

    Nothing of it is made.

    Raises:
        ValueError: it names something else, or has more than `SMALL` bytes.
    """
    if size > SMALL:
        raise ValueError(f"{size} bytes of names and plain values, at most {SMALL} are read")
    for code, argument, _ in pickletools.genops(pickle):
        if code.name in _NAMES and argument not in _PLAIN:
            raise ValueError(f"it holds {argument or code.name}, tensors and plain values are needed")


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
