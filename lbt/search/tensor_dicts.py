"""Linear algebra of vectors that are stored as tensors by name, such as a gradient in the architecture."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def add(a: Mapping[str, Tensor], b: Mapping[str, Tensor], weight: float = 1.0) -> dict[str, Tensor]:
    """a + weight * b; `b` may have further names."""
    return dict(zip(a, torch._foreach_add(list(a.values()), [b[name] for name in a], alpha=weight), strict=True))


def add_(a: dict[str, Tensor], b: Mapping[str, Tensor], weight: float = 1.0) -> dict[str, Tensor]:
    """`add` in place of the tensors of `a`, which must share no memory."""
    torch._foreach_add_(list(a.values()), [b[name] for name in a], alpha=weight)
    return a


def scale(a: Mapping[str, Tensor], factor: float) -> dict[str, Tensor]:
    """factor * a."""
    return dict(zip(a, torch._foreach_mul(list(a.values()), factor), strict=True))


def dot(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Inner product of two vectors, summed in double precision."""
    return float(sum((a[name].double() * b[name].double()).sum() for name in a))


def norm(a: Mapping[str, Tensor]) -> float:
    """Euclidean norm of a vector."""
    return dot(a, a) ** 0.5


def cosine(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """Cosine of the angle between two vectors; NaN if one of them is 0."""
    lengths = norm(a) * norm(b)
    return dot(a, b) / lengths if lengths > 0 else float("nan")
