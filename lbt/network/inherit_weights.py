"""Weights that a derived network takes over from the supernet that it was derived from."""

from __future__ import annotations

import torch
from torch import nn

from lbt.errors import LbtError
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.space.decoder import OUTPUTS, parse_branch_scales
from lbt.space.slimmable import SlimmableBatchNorm2d, SlimmableConv2d
from lbt.space.supernet import Supernet


@torch.no_grad()
def inherit_weights(network: Network, supernet: Supernet) -> None:
    """Copy all weights and BatchNorm statistics that a network shares with its supernet, in place.

    A cell takes the first channels of the supernet's operator at its layer and scale, and the BatchNorm of its width;
    the decoder takes those of its branches and of their prediction. In evaluation mode the network then computes what
    the supernet computes at the one-hot architecture, if no cell was pruned. The training-only heads, which the
    supernet does not have, stay as they are.

    Args:
        network: derived from an architecture of the supernet's space.
        supernet: of the same number of classes.

    Raises:
        LbtError: a branch whose last layers were pruned ends wider than the supernet's layer there, or the supernet
            has no prediction from such branches.
    """
    space, genotype, prefix = supernet.space, network.genotype, len(network.shared.operators)
    _copy(network.stem, supernet.stem)
    for index, branch in enumerate(genotype.branches):
        tail = network.branches[str(branch.scale)].operators
        cells = branch.cells if index == 0 else branch.cells[prefix:]
        for cell, operator in zip(cells, (*network.shared.operators, *tail)[-len(cells) :], strict=True):
            source = supernet.cells[cell.layer][str(cell.scale)]["down" if cell.stride == 2 else "keep"]
            choices = (space.head_twelfths,) if cell.layer == space.layers - 1 else space.width_twelfths
            width = next((i for i, twelfths in enumerate(choices) if twelfths >= cell.width_twelfths), None)
            if width is None:
                raise LbtError(
                    f"space.head_twelfths: the branch to 1/{branch.scale} ends after layer {cell.layer} with "
                    f"{cell.width_twelfths} twelfths of the width, where the supernet has {choices[-1]} at most, so it "
                    "cannot inherit weights. Add a width of that size to space.width_twelfths or start from random "
                    "weights."
                )
            _copy(operator, source[cell.operator], width)
        _copy(network.decoders[str(branch.scale)], supernet.decoder.branches[str(branch.scale)])
    _copy(network.prediction, supernet.decoder.predictions[_output(genotype)])


def _output(genotype: Genotype) -> str:
    ends = tuple(branch.scale for branch in genotype.branches)
    for name in OUTPUTS:
        if parse_branch_scales(name) == ends:
            return name
    raise LbtError(f"The supernet has no prediction from branches that end at {ends}; start from random weights.")


def _copy(target: nn.Module, source: nn.Module, width: int = 0) -> None:
    """Copy each layer of `target` from the layer of the same name in `source`, whose BatchNorms have several widths."""
    for name, layer in target.named_modules():
        match layer:
            case SlimmableConv2d():
                weight = source.get_submodule(name).weight
                layer.weight.copy_(weight[tuple(slice(size) for size in layer.weight.shape)])
            case SlimmableBatchNorm2d():
                norms = source.get_submodule(name)
                for key, value in norms[width if len(norms) > 1 else 0].state_dict().items():
                    kept = layer[0].state_dict()[key]
                    kept.copy_(value[: len(kept)] if value.ndim else value)
            case nn.Conv2d():
                layer.load_state_dict(source.get_submodule(name).state_dict())
