"""How many launches a kernel of PyTorch takes on a GPU, and whether the host waits for its result."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch
from torch import Tensor


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


VIEWS = _names("""
    view as_strided slice select split expand detach alias permute t unbind transpose unsqueeze squeeze diagonal
    unfold split_with_sizes _unsafe_view _reshape_alias lift_fresh reshape movedim empty empty_like
    empty_strided new_empty new_empty_strided resize_ set_ is_same_size _has_same_storage_numel
""")
"""Kernels that launch nothing."""
WAITING = _names("""
    _local_scalar_dense nonzero is_nonzero equal _unique2 unique_dim unique_consecutive masked_select bincount
    item allclose
""")
"""Kernels whose result the host needs."""
TENSORS_PER_LAUNCH = (110, 64, 48, 36, 30)
"""Tensors of one launch of a `_foreach` kernel of 1, 2, ... lists (ATen/native/cuda/MultiTensorApply.cuh)."""
CAT_INPUTS = 128
"""Tensors that one launch joins (ATen/native/cuda/Shape.cu)."""


def launches_of(name: str, args: Any, kwargs: Any) -> int:
    """Launches of a kernel by its name in ATen and its arguments."""
    lists = [
        a for a in (*args, *kwargs.values()) if isinstance(a, list | tuple) and any(isinstance(t, Tensor) for t in a)
    ]
    if not lists:
        return 1
    longest = max(map(len, lists))
    if name == "cat":
        return ceil(longest / CAT_INPUTS)
    if not name.startswith(("_foreach", "_fused")):
        return 1
    if not _is_fast(lists):
        return longest
    depth = len(lists) + (not name.endswith("_"))
    return ceil(longest / TENSORS_PER_LAUNCH[min(depth, len(TENSORS_PER_LAUNCH)) - 1])


def _is_fast(lists: Sequence[Sequence[Tensor]]) -> bool:
    """Whether a `_foreach` kernel takes many tensors a launch (ATen/native/ForeachUtils.h); otherwise it takes one."""
    uniform = all(len({tensor.dtype for tensor in own}) == 1 for own in lists)
    dense = all(torch.ops.aten.is_non_overlapping_and_dense.default(tensor) for own in lists for tensor in own)
    layouts = zip(*([(tensor.shape, tensor.stride()) for tensor in own] for own in lists), strict=False)
    return uniform and dense and all(len(set(same)) == 1 for same in layouts)
