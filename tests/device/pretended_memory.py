"""Which memory a pretended GPU holds, and the counts of what ran on it."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")


class MixedDevicesError(RuntimeError):
    """A kernel got tensors of the CPU and of the GPU."""


@dataclass
class PretendedGpu:
    """Tags and counts.

    Attributes:
        launches: kernels by name.
        waits: by cause and place, what made the host wait for the device.
        copies: by direction (`up`, `down`) and place.
        dual_graph: whether the next backward pass goes through forward derivatives.
    """

    launches: Counter[str] = field(default_factory=Counter)
    waits: Counter[tuple[str, str]] = field(default_factory=Counter)
    copies: Counter[tuple[str, str]] = field(default_factory=Counter)
    dual_graph: bool = False
    _tagged: dict[int, StorageWeakRef] = field(default_factory=dict)
    _pinned: dict[int, StorageWeakRef] = field(default_factory=dict)

    def holds(self, tensor: Tensor) -> bool:
        """Whether the tensor is on the GPU."""
        return not tensor._is_zerotensor() and _found(self._tagged, tensor)

    def tag(self, tensor: Tensor) -> None:
        """Put the tensor's memory on the GPU."""
        storage = tensor.untyped_storage()
        self._tagged[storage._cdata] = StorageWeakRef(storage)

    def untag(self, tensor: Tensor) -> None:
        """Memory that was freed on the GPU may have the same address."""
        self._tagged.pop(tensor.untyped_storage()._cdata, None)

    def pin(self, tensor: Tensor) -> Tensor:
        """A copy in pinned memory."""
        pinned = tensor.detach().clone()
        storage = pinned.untyped_storage()
        self._pinned[storage._cdata] = StorageWeakRef(storage)
        return pinned

    def count_copy(self, source: Tensor, *, up: bool, non_blocking: bool) -> None:
        """A copy between host and device waits, unless it goes up from pinned memory and may be asynchronous."""
        where = package_line()
        self.copies["up" if up else "down", where] += 1
        if not (up and non_blocking and _found(self._pinned, source)):
            self.waits["copy up" if up else "copy down", where] += 1

    def clear(self) -> None:
        """Set the counts to 0."""
        for counter in (self.launches, self.waits, self.copies):
            counter.clear()

    def report(self) -> str:
        """The counts, the largest ones by name and place."""
        lines = [f"{self.launches.total()} launches, {self.waits.total()} waits, {self.copies.total()} copies"]
        lines += [f"{count:8} {name}" for name, count in self.launches.most_common(25)]
        lines += [f"{count:8} {cause} at {place}" for (cause, place), count in self.waits.most_common(25)]
        return "\n".join(lines)


def _found(known: dict[int, StorageWeakRef], tensor: Tensor) -> bool:
    try:
        address = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # wrappers of forward-mode derivatives have no storage
        return False
    reference = known.get(address)
    if reference is not None and reference.expired():
        del known[address]
        reference = None
    return reference is not None


def package_line() -> str:
    """The innermost line of the package on the stack."""
    for frame in reversed(traceback.extract_stack(limit=40)):
        if "/lbt/" in frame.filename and "/tests/" not in frame.filename and "site-packages" not in frame.filename:
            return f"{frame.filename.rpartition('/lbt/')[2]}:{frame.lineno}"
    return "outside"
