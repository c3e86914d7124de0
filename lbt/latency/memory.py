"""Memory of a forward pass."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def measure_peak(forward: Callable[[], object], device: torch.device) -> int | None:
    """Most bytes that a pass takes at once, beyond those before it: features and, in ONNX Runtime, its own copies.

    On a CPU this is the growth of the process's resident memory, which only Linux reports.

    Args:
        forward: the pass.
        device: where it runs.

    Returns:
        Bytes, or None where the system does not report them.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        forward()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    if not _CLEAR.exists():
        return None
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # otherwise the pass takes memory that earlier ones have left
    before = _read_bytes("VmRSS")
    _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    forward()
    return max(0, _read_bytes("VmHWM") - before)


def _read_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"), re.M)
    assert found is not None  # every Linux has these lines
    return int(found[1]) * 1024
