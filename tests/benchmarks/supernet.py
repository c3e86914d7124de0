"""One sampled pass of the supernet, forward and backward, against its plain form: time, memory, operators launched.

The plain form runs each cell once per predecessor and its operators one by one, as FasterSeg's release does. Weights,
stem, decoder, widths and architecture are the same. Each figure is a ratio of two measurements of one run.

    python tests/benchmarks/supernet.py [--layers 16 --base-width 12 --height 224 --width 448 --batch 2]
"""

from __future__ import annotations

import argparse
from functools import reduce
from statistics import median

import torch
from measuring import peak_memory, seconds_of
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from lbt.config import ComputeSettings, SpaceSettings
from lbt.runtime.device import prepare_device
from lbt.space.architecture import (
    OPERATORS,
    PREDECESSORS,
    SCALES,
    alpha_row,
    beta_row,
    initial_architecture,
    probabilities,
)
from lbt.space.decoder import OUTPUTS
from lbt.space.supernet import CPU_FORMATS, Supernet, average_details, outgoing_edges
from lbt.space.widths import draw_gumbel_noise, sample_widths

VIEWS = (
    "view",
    "as_strided",
    "slice",
    "select",
    "split",
    "expand",
    "detach",
    "alias",
    "permute",
    "t",
    "unbind",
    "transpose",
)


class PlainSupernet(Supernet):
    """The same weights, evaluated the plain way, in PyTorch's own memory format or in the supernet's."""

    memory_formats = dict.fromkeys(SCALES, torch.contiguous_format)

    def features(self, images, architecture, widths):
        """See `Supernet.features`; a cell runs on each of its predecessors and its outputs are mixed."""
        weights = {key: value.to(images.device) for key, value in probabilities(architecture).items()}
        layers = self.space.layers
        entering: dict[int, list[tuple[Tensor | None, Tensor]]] = {
            8: [(None, self.stem(images.contiguous(memory_format=self.memory_formats[8])))]
        }
        entered = {}
        for layer in range(layers):
            leaving: dict[int, list[tuple[Tensor | None, Tensor]]] = {}
            for scale, inputs in entering.items():
                inputs = [(beta, x.contiguous(memory_format=self.memory_formats[scale])) for beta, x in inputs]
                entered[layer, scale] = self._mixed(inputs)
                alpha = weights[f"alpha.{scale}"][alpha_row(layer, scale)]
                for edge, target in outgoing_edges(layer, scale, layers):
                    width = widths.index(layer + 1, target)
                    factors = [
                        f for f in (widths.factor(layer, scale), widths.factor(layer + 1, target)) if f is not None
                    ]
                    operators, outputs = self.cell(layer, scale).edge(edge), []
                    for beta, x in inputs:
                        terms = (
                            reduce(torch.mul, factors, operators.operator(name)(x, width) * alpha[i])
                            for i, name in enumerate(OPERATORS)
                        )
                        outputs.append((beta, reduce(torch.add, terms)))
                    beta = None
                    if self._has_two_predecessors(layer + 1, target):
                        beta = weights[f"beta.{target}"][beta_row(layer + 1, target), PREDECESSORS.index(edge)]
                    leaving.setdefault(target, []).append((beta, self._mixed(outputs)))
            entering = dict(sorted(leaving.items()))
        ends = {scale: self._mixed(inputs) for scale, inputs in entering.items()}
        return ends, average_details(entered, self._plan(architecture, widths, images.device).chances)

    @staticmethod
    def _mixed(inputs: list[tuple[Tensor | None, Tensor]]) -> Tensor:
        return reduce(torch.add, (x if beta is None else beta * x for beta, x in inputs))


SAMPLES = 2  # draws of the widths
FORMS = {"fused": Supernet, "plain": PlainSupernet, "plain, same formats": PlainSupernet}


class Launches(TorchDispatchMode):
    """Counts operators that compute something."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function.overloadpacket.__name__.strip("_") not in VIEWS
        return function(*args, **(kwargs or {}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--base-width", type=int, default=12)
    parser.add_argument("--height", type=int, default=224)
    parser.add_argument("--width", type=int, default=448)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--passes", type=int, default=10, help="timed passes of each form, in turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    options = parser.parse_args()
    device = prepare_device(ComputeSettings(device=options.device, threads=options.threads))
    space = SpaceSettings(layers=options.layers, base_width=options.base_width)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    images = torch.randn(options.batch, 3, options.height, options.width, generator=generator).to(device)
    architecture = {key: value.requires_grad_() for key, value in initial_architecture(space, generator).items()}
    noises = [draw_gumbel_noise(space, generator) for _ in range(SAMPLES)]
    forms = {name: kind(space, options.classes) for name, kind in FORMS.items()}
    forms["plain"].to(memory_format=torch.contiguous_format)
    forms["plain, same formats"].memory_formats = CPU_FORMATS
    for net in forms.values():
        net.load_state_dict(forms["fused"].state_dict())
    shape = (options.batch, options.classes, options.height // 8, options.width // 8)
    towards = [torch.randn(shape, generator=generator).to(device) for _ in OUTPUTS]

    def step(name: str, sample: int = 0) -> None:
        outputs = forms[name](images, architecture, sample_widths(architecture, space, noises[sample]))
        torch.autograd.backward(outputs, towards)

    times: dict[str, list[float]] = {name: [] for name in forms}
    memory, launches, work = {}, {}, {}
    for name, net in forms.items():
        net.to(device).train()
        step(name)  # from here on the gradients of the weights exist and are added to
        memory[name] = peak_memory(lambda name=name: step(name), device)
        with Launches() as counter:
            step(name)
        launches[name] = counter.count
        with FlopCounterMode(display=False) as flops:
            step(name)
        work[name] = flops.get_total_flops() / 1e9
        for sample in range(SAMPLES):
            step(name, sample)
        net.zero_grad()
    for index in range(options.passes):
        for name, net in forms.items():
            times[name].append(seconds_of(lambda name=name, index=index: step(name, index % SAMPLES), device))
            net.zero_grad()

    print(f"L={space.layers} F={space.base_width} {options.height}x{options.width} batch {options.batch}, {device}")
    print(f"PyTorch {torch.__version__}, {options.threads} threads; peak memory beyond weights and their gradients")
    print(f"{'':28}{'seconds':>10}{'peak MiB':>10}{'launched':>10}{'GFLOP':>10}")
    rows = {name: (median(times[name]), memory[name] / 2**20, launches[name], work[name]) for name in forms}
    for name, (seconds, mib, count, gflop) in rows.items():
        print(f"{name:28}{seconds:10.3f}{mib:10.1f}{count:10d}{gflop:10.1f}")
    for name in list(forms)[1:]:
        paired = median(fused / other for fused, other in zip(times["fused"], times[name], strict=True))
        ratios = paired, *(fused / other for fused, other in zip(rows["fused"][1:], rows[name][1:], strict=True))
        print(f"{'fused / ' + name:28}" + "".join(f"{ratio:10.3f}" for ratio in ratios))


if __name__ == "__main__":
    main()
