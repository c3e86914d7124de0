"""A network's passes of one shape, compiled by TorchInductor: fewer and larger kernels, on a GPU as CUDA graphs.

Retraining is such a pass: all its crops have one size. Those of a supernet are not, because widths are drawn anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._triton import has_triton

from lbt.errors import LbtError
from lbt.network.network import Network
from lbt.space.batch_norm import use_plain_batch_norms


def heads_of(network: Network, wanted: str, device: torch.device, note: Callable[[str], None]) -> Callable[..., Any]:
    """`network.heads`, compiled if the setting asks for it; the results agree up to rounding.

    Compiled, the network has PyTorch's own BatchNorm, with the same names in its state dict. It cannot be
    differentiated twice, which retraining does not need.

    Args:
        network: in train mode, on `device`.
        wanted: `always`, `never`, or `auto` for GPUs.
        device: of the network.
        note: is told in a line if a compiler is missing for `auto`.

    Raises:
        LbtError: `always` where there is no compiler.
    """
    if wanted == "never" or (wanted == "auto" and device.type != "cuda"):
        return network.heads
    missing = find_missing(device)
    if missing and wanted == "always":
        raise LbtError(f"retrain.compile: always needs {missing}, which is missing here. Write `auto` or `never`.")
    if missing:
        note(f"is not compiled, so steps take longer: {missing} is missing")
        return network.heads
    use_plain_batch_norms(network)
    # A part that cannot be compiled is an error and not a slow step.
    mode = "reduce-overhead" if device.type == "cuda" else None
    compiled: Callable[..., Any] = torch.compile(network.heads, fullgraph=True, dynamic=False, mode=mode)
    return compiled


def find_missing(device: torch.device) -> str:
    """What compilation for a device needs and this machine lacks; empty if nothing is missing."""
    language, variable, names = "C++", "CXX", ("g++", "clang++", "c++")
    if device.type == "cuda":  # Triton compiles the kernels, and a C compiler what calls them
        language, variable, names = "C", "CC", ("gcc", "clang", "cc")
    if not any(map(shutil.which, (os.environ.get(variable, ""), *names))):
        return f"a {language} compiler"
    return "Triton for this GPU" if device.type == "cuda" and not has_triton() else ""
