"""The work of one forward pass: floating-point operations and operators, counted while a network runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from lbt.config import SpaceSettings
from lbt.runtime.shapes import shapes_only, without_first_values
from lbt.space.architecture import first_architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import Widths, draw_random_widths, max_widths, min_widths

_SIDE = 64
"""Height and width of the image with which a supernet is counted; its operations are proportional to the pixels."""


@dataclass(frozen=True)
class Work:
    """Work that can be added and multiplied.

    Attributes:
        flop: floating-point operations of convolutions and matrix products; a multiply-accumulate is two.
        operators: calls of operators, which take time on any device even if their tensors are small.
    """

    flop: float = 0.0
    operators: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(self.flop + other.flop, self.operators + other.operators)

    def __mul__(self, times: float) -> Work:
        return Work(self.flop * times, self.operators * times)

    def on(self, pixels: float) -> Work:
        """The work on so many pixels, if this is that on one."""
        return Work(self.flop * pixels, self.operators)


class _Counter(TorchDispatchMode):
    """Counts the operators that reach the device, and the operations of those that PyTorch has a formula for."""

    def __init__(self) -> None:
        super().__init__()
        self.flop, self.operators = 0, 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = function(*args, **kwargs or {})
        self.operators += 1
        formula = flop_registry.get(function._overloadpacket)
        if formula is not None:
            self.flop += formula(*args, **kwargs or {}, out_val=result)
        return result


def count_work(run: Callable[[], object]) -> Work:
    """The work of a call, without gradients."""
    with torch.no_grad(), _Counter() as counter:
        run()
    return Work(counter.flop, counter.operators)


def supernet_work(space: SpaceSettings, num_classes: int) -> dict[str, Work]:
    """The work of a supernet's forward pass on one pixel at widths `max`, `min` and `sampled`.

    The pass is computed, on an image of 64 x 64 pixels, because widths and paths are values of tensors.
    """
    with without_first_values():
        supernet = Supernet(space, num_classes).eval()
    images, architecture = torch.zeros(1, 3, _SIDE, _SIDE), first_architecture(space, 0)
    random = draw_random_widths(space, torch.Generator().manual_seed(0))
    chosen: dict[str, Widths] = {"max": max_widths(space), "min": min_widths(space), "sampled": random}
    found = {name: count_work(partial(supernet, images, architecture, widths)) for name, widths in chosen.items()}
    return {name: Work(work.flop / _SIDE**2, work.operators) for name, work in found.items()}


def network_work(network: torch.nn.Module, size: tuple[int, int]) -> Work:
    """The work of a forward pass on one pixel of an image of `size` (H, W), from the shapes of its tensors."""
    with shapes_only():
        images = torch.zeros(1, 3, *size)
    work = count_work(partial(network.eval(), images))
    return Work(work.flop / (size[0] * size[1]), work.operators)
