"""Several processes that work on one job, each on its own rows of every batch.

In every process a loss has the value of the whole batch (`Group.reduce_loss`), but its gradient comes from this
process's rows only. `Group.all_reduce_many` sums these partial gradients before a step uses them. Therefore all
processes take the same steps from the same weights, and any function of weights and architecture alone is the same in
all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lbt.errors import LbtError


@dataclass(frozen=True)
class Group:
    """The processes of a job; in a group of one, each method returns its argument.

    Attributes:
        rank: index of this process, from 0.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This process's rows of a batch of `count`.

        Raises:
            LbtError: the batch cannot be divided evenly.
        """
        if count % self.size:
            raise LbtError(
                f"A batch of {count} images cannot be divided evenly among {self.size} processes. Make the batch_size "
                "of this stage a multiple of its `gpus`."
            )
        own = count // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def reduce_loss(self, part: Tensor) -> Tensor:
        """Sum over the processes; the gradient is that of this process's part only.

        For a value that all processes use in the same way, such as a loss.
        """
        return part if self.size == 1 else _ReduceLoss.apply(part)

    def all_reduce(self, part: Tensor) -> Tensor:
        """Sum over the processes; its gradient is summed as well.

        For a value that each process applies to its own rows, such as a mean that is subtracted from them.
        """
        return part if self.size == 1 else _AllReduce.apply(part)

    def all_gather(self, rows: Tensor) -> Tensor:
        """The rows (b, ...) of all processes in order, (size * b, ...); the gradient is as in `all_reduce`."""
        if self.size == 1:
            return rows
        before, after = (rows.new_zeros(n * len(rows), *rows.shape[1:]) for n in (self.rank, self.size - self.rank - 1))
        return self.all_reduce(torch.cat([before, rows, after]))

    @torch.no_grad()
    def all_reduce_many(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """Sum several tensors of one type over the processes, such as a gradient's tensors, in a message per device."""
        if self.size == 1:
            return parts
        totals: list[Tensor] = list(parts)
        for device in dict.fromkeys(part.device for part in parts):
            places = [place for place, part in enumerate(parts) if part.device == device]
            flat = torch.cat([parts[place].flatten() for place in places])
            dist.all_reduce(flat)
            for place, total in zip(places, flat.split([parts[place].numel() for place in places]), strict=True):
                totals[place] = total.view(parts[place].shape)
        return totals

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace the parameters' gradients by their sums over the processes."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size > 1 and gradients:
            torch._foreach_copy_(gradients, list(self.all_reduce_many(gradients)))

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process, so that all of them take the same decision."""
        if self.size == 1:
            return flag
        flags = torch.tensor(int(flag))
        dist.all_reduce(flags)
        return bool(flags)


ALONE = Group()
"""For a value that a process computes by itself, such as the losses of single images."""


def group() -> Group:
    """The processes of this job, which `lbt.runtime.processes` started, or this one alone.

    A stage asks once and hands the group on. Only BatchNorm, the loader and `Resume` ask for themselves.
    """
    if dist.is_available() and dist.is_initialized():
        return Group(dist.get_rank(), dist.get_world_size())
    return ALONE


class _ReduceLoss(torch.autograd.Function):
    @staticmethod
    def forward(part: Tensor) -> Tensor:
        return _all_sum(part)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return _ReduceLoss.apply(tangent)


class _AllReduce(torch.autograd.Function):
    @staticmethod
    def forward(part: Tensor) -> Tensor:
        return _all_sum(part)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _AllReduce.apply(gradient)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return _AllReduce.apply(tangent)


def _all_sum(part: Tensor) -> Tensor:
    total = part.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total
