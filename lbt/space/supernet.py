"""The supernet: every cell, operator and width of the search space with shared weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.runtime.device import upload
from lbt.space.architecture import PREDECESSORS, SCALES, alpha_row, beta_row, probabilities, scales_at
from lbt.space.batch_norm import StatisticsUpdate, update_statistics
from lbt.space.cell import EdgeRun, SupernetCell
from lbt.space.decoder import Details, SupernetDecoder
from lbt.space.padding import crop_logits, pad_images
from lbt.space.paths import edge_probabilities
from lbt.space.stem import Stem
from lbt.space.widths import Widths, channel_choices

CPU_FORMATS = {8: torch.channels_last, 16: torch.contiguous_format, 32: torch.contiguous_format}
"""Memory format of weights and features by scale. On a CPU, convolutions are fastest in channels-last format if maps
are larger than weights, and in contiguous format if they are smaller (`tests/benchmarks/supernet.py`)."""
GPU_FORMATS: Mapping[int, torch.memory_format] = dict.fromkeys(SCALES, torch.contiguous_format)
"""The same on a GPU: one format, so that no feature is converted between two cells. Which one is faster there depends
on the precision and has not been measured (`tests/device/measure.py` times both)."""


Node = tuple[int, int]
"""Layer and scale of a cell."""
Merge = tuple[int, int]
"""Scale at which a branch ends, and a finer scale from which its decoder takes a detail."""


@dataclass(frozen=True)
class _Plan:
    """The weights of a pass on the device.

    Attributes:
        runs: for each cell, the edges to evaluate by the scale to which they lead.
        chances: for each detail, the weights (1,) of the features that it averages.
    """

    runs: Mapping[Node, Mapping[int, EdgeRun]]
    chances: Mapping[Merge, Mapping[Node, Tensor]]


def memory_formats(device: torch.device) -> Mapping[int, torch.memory_format]:
    """Memory format by scale on the device."""
    return CPU_FORMATS if device.type == "cpu" else GPU_FORMATS


def outgoing_edges(layer: int, scale: int, layers: int) -> tuple[tuple[str, int], ...]:
    """Edges that leave the cell at `layer`: (`keep`, scale) and, if the cell has it, (`down`, 2 * scale)."""
    keep, down = ("keep", scale), ("down", 2 * scale)
    return (keep, down) if scale < 32 and layer < layers - 1 else (keep,)


class Supernet(nn.Module):
    """FasterSeg's supernet (Chen et al., ICLR 2020, section 3), a function of weights, architecture, widths and images.

    The feature that enters layer l at scale s mixes its predecessors: I = beta_down * O_down + beta_keep * O_keep. The
    cell runs its operators once on I (section 3.2), whereas the release runs each cell twice. With straight-through
    widths, an edge's output is multiplied by the factors of the two features that it joins.

    A branch's decoder merges the features with which the branch leaves 1/8 and 1/16, as in the derived network. The
    supernet averages these features over the layers at which the branch may leave. (The release merges the last layer's
    features instead, which the derived network does not have.) At a one-hot architecture without skips, the supernet
    computes the logits of the derived network with the same weights (`lbt.network.inherit_weights`).

    State-dict names read `cells.<layer>.<scale>.<keep or down>.<operator>. ...`, besides `stem` and `decoder`.

    Args:
        space: the search space.
        num_classes: number of classes C.
        formats: memory format of weights and features by scale; `memory_formats` has that of a device.
    """

    def __init__(
        self, space: SpaceSettings, num_classes: int, formats: Mapping[int, torch.memory_format] = CPU_FORMATS
    ):
        super().__init__()
        self.space, self.formats = space, formats
        self.stem = Stem(space)
        self.cells = nn.ModuleList()
        for layer in range(space.layers):
            cells = nn.ModuleDict()
            for scale in scales_at(layer):
                edges = outgoing_edges(layer, scale, space.layers)
                incoming = channel_choices(space, layer, scale)
                if scale == 8:  # the stem's output enters if a derived network has pruned all cells before this one
                    incoming += channel_choices(space, 0, scale)
                outgoing = {edge: channel_choices(space, layer + 1, target) for edge, target in edges}
                cells[str(scale)] = SupernetCell(space.operators, incoming, outgoing)
            self.cells.append(cells)
        self.decoder = SupernetDecoder(space, num_classes)
        for part in (self.stem, self.decoder):
            part.to(memory_format=formats[8])
        for layer in range(space.layers):
            for scale in scales_at(layer):
                self.cell(layer, scale).to(memory_format=formats[scale])

    def cell(self, layer: int, scale: int) -> SupernetCell:
        """The cell at `layer` and 1/`scale`."""
        return cast(SupernetCell, self.get_submodule(f"cells.{layer}.{scale}"))  # `cells` holds no other type

    def forward(self, images: Tensor, architecture: Mapping[str, Tensor], widths: Widths) -> tuple[Tensor, ...]:
        """Logits of the five predictions, in the order of `lbt.space.decoder.order_outputs`, the main one first.

        Args:
            images: (B, 3, H, W), normalised; H and W are 32 or more.
            architecture: logits alpha and beta (gamma acts through `widths`), on the host, as are the widths.
            widths: one width per feature.

        Returns:
            Five tensors (B, C, ceil(H / 8), ceil(W / 8)). Logit (i, j) belongs to the pixels from (8i, 8j) to
            (8i + 7, 8j + 7); `lbt.space.padding.upsample` enlarges the logits to (H, W).
        """
        size = (images.shape[-2], images.shape[-1])
        outputs = self.decoder(*self.features(pad_images(images), architecture, widths))
        return tuple(crop_logits(logits, size, 8) for logits in outputs)

    def features(
        self, images: Tensor, architecture: Mapping[str, Tensor], widths: Widths
    ) -> tuple[dict[int, Tensor], dict[int, Details]]:
        """The inputs of the decoder.

        Args:
            images: (B, 3, H, W), normalised; H and W are multiples of 32.
            architecture: as for `forward`.
            widths: as for `forward`.

        Returns:
            The last layer's outputs: scale s -> (B, channels, H / s, W / s). The details of each branch: scale at which
            the branch ends -> scale s -> (B, channels, H / s, W / s). A detail is the feature with which the branch
            leaves s, averaged over the layers at which it may leave, with the probabilities of beta. Narrower features
            are padded with zeros.
        """
        plan = self._plan(architecture, widths, images.device)
        entering = {8: self.stem(images.contiguous(memory_format=self.formats[8]))}
        entered: dict[Node, Tensor] = {}
        updates: list[StatisticsUpdate] = []
        for layer in range(self.space.layers):
            leaving: dict[int, list[Tensor]] = {}
            for scale, x in entering.items():
                x = entered[layer, scale] = x.contiguous(memory_format=self.formats[scale])
                runs = plan.runs[layer, scale]
                outputs = self.cell(layer, scale)(x, list(runs.values()), updates)
                for target, output in zip(runs, outputs, strict=True):
                    leaving.setdefault(target, []).append(output)
            entering = {scale: reduce(torch.add, parts) for scale, parts in sorted(leaving.items())}
        if updates:
            update_statistics(updates)
        return entering, average_details(entered, plan.chances)

    def _plan(self, architecture: Mapping[str, Tensor], widths: Widths, device: torch.device) -> _Plan:
        """The weights of a pass, computed on the host and brought to the device together.

        A has a few hundred numbers. On a GPU each product of two of them would cost as much as a convolution.
        """
        weights = probabilities(architecture)
        values = {key: tensor.detach().tolist() for key, tensor in weights.items()}
        runs = {
            (layer, scale): self._edge_runs(layer, scale, weights, values, widths)
            for layer in range(self.space.layers)
            for scale in scales_at(layer)
        }
        chances = self._detail_chances(weights, widths)
        found = [run.weights for cell in runs.values() for run in cell.values()]
        found += [chance[None] for terms in chances.values() for chance in terms.values()]
        moved = iter(upload(torch.cat(found), device).split([len(part) for part in found]))
        return _Plan(
            {cell: {to: replace(run, weights=next(moved)) for to, run in own.items()} for cell, own in runs.items()},
            {merge: {node: next(moved) for node in terms} for merge, terms in chances.items()},
        )

    def _edge_runs(
        self,
        layer: int,
        scale: int,
        weights: Mapping[str, Tensor],
        values: Mapping[str, list[list[float]]],
        widths: Widths,
    ) -> dict[int, EdgeRun]:
        """The edges of a cell that enter the next feature with a weight above 0, by the scale to which they lead."""
        key, row, runs = f"alpha.{scale}", alpha_row(layer, scale), {}
        operators = self.space.operators
        active = [index for index, value in enumerate(values[key][row]) if value != 0]
        alpha = weights[key][row] if len(active) == len(operators) else weights[key][row, active]
        for edge, target in outgoing_edges(layer, scale, self.space.layers):
            factors = [widths.factor(layer, scale), widths.factor(layer + 1, target)]
            if self._has_two_predecessors(layer + 1, target):
                index = beta_row(layer + 1, target), PREDECESSORS.index(edge)
                if values[f"beta.{target}"][index[0]][index[1]] == 0:
                    continue
                factors.append(weights[f"beta.{target}"][index])
            # The factors scale the weights of the operators instead of a whole feature.
            scaled = reduce(torch.mul, (factor for factor in factors if factor is not None), alpha)
            names = tuple(operators[index] for index in active)
            runs[target] = EdgeRun(edge, scaled, names, widths.index(layer + 1, target))
        return runs

    def _has_two_predecessors(self, layer: int, scale: int) -> bool:
        return scale > 8 and beta_row(layer, scale) >= 0 and layer < self.space.layers

    def _detail_chances(self, weights: Mapping[str, Tensor], widths: Widths) -> dict[Merge, dict[Node, Tensor]]:
        """The probability, above 0, that a branch leaves a scale from each node, times the factor of its width."""
        beta = {scale: weights[f"beta.{scale}"] for scale in (16, 32)}
        found: dict[Merge, dict[Node, Tensor]] = {}
        for branch_scale in (16, 32):
            down = edge_probabilities(beta, (branch_scale,), self.space.layers).down
            for scale in (s for s in SCALES if s < branch_scale):
                terms: dict[Node, Tensor] = {}
                found[branch_scale, scale] = terms
                for node, chance in down.items():
                    if node[1] == scale and chance.detach() != 0:
                        factor = widths.factor(*node)
                        terms[node] = chance if factor is None else chance * factor
        return found


def average_details(
    entered: Mapping[Node, Tensor], chances: Mapping[Merge, Mapping[Node, Tensor]]
) -> dict[int, Details]:
    """The details of each branch, from the feature that entered the cell at each node."""
    details: dict[int, Details] = {8: {}}
    for (branch_scale, scale), terms in chances.items():
        found = _add_padded([entered[node] * chance for node, chance in terms.items()])
        details.setdefault(branch_scale, {})[scale] = found
    return details


def _add_padded(features: Sequence[Tensor]) -> Tensor:
    """Sum of (B, c_i, H, W), each padded with zeros to the largest number of channels."""
    by_channels: dict[int, list[Tensor]] = {}
    for feature in features:
        by_channels.setdefault(feature.shape[1], []).append(feature)
    most = max(by_channels)
    sums = {count: reduce(torch.add, group) for count, group in by_channels.items()}
    return reduce(torch.add, (x if n == most else F.pad(x, (0, 0, 0, 0, 0, most - n)) for n, x in sums.items()))
