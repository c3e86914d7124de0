"""Copy weights from the supernet to a network that was derived from it."""

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

    A cell receives the first channels of the supernet's operator at its layer and scale, and the BatchNorm of its
    width. The decoder receives the weights for its branches and for their prediction. If no cell was pruned, the
    network in evaluation mode then computes the same as the supernet at the one-hot architecture. The heads that only
    training uses do not change, because the supernet does not have them.

    Args:
        network: derived from an architecture of the supernet's space.
        supernet: has the same number of classes.

    Raises:
        LbtError: a branch without its last layers ends wider than the supernet's layer there; or the supernet has no
            prediction from branches at these scales.
    """
    space, genotype, prefix = supernet.space, network.genotype, len(network.shared.operators)
    _copy(network.stem, supernet.stem)
    for index, branch in enumerate(genotype.branches):
        tail = network.branch(branch.scale).operators
        cells = branch.cells if index == 0 else branch.cells[prefix:]
        for cell, operator in zip(cells, [*network.shared.operators, *tail][-len(cells) :], strict=True):
            edge = supernet.cell(cell.layer, cell.scale).edge("down" if cell.stride == 2 else "keep")
            choices = (space.head_twelfths,) if cell.layer == space.layers - 1 else space.width_twelfths
            width = next((i for i, twelfths in enumerate(choices) if twelfths >= cell.width_twelfths), None)
            if width is None:
                raise LbtError(
                    f"space.head_twelfths: the branch to 1/{branch.scale} ends after layer {cell.layer} with "
                    f"{cell.width_twelfths} twelfths of the width, but the supernet has at most {choices[-1]} there. "
                    "So the network cannot inherit weights. Add this width to space.width_twelfths or start from "
                    "random weights."
                )
            _copy(operator, edge.operator(cell.operator), width)
        _copy(network.decoders[str(branch.scale)], supernet.decoder.branches[str(branch.scale)])
    _copy(network.prediction, supernet.decoder.predictions[_output(genotype)])


def _output(genotype: Genotype) -> str:
    scales = tuple(branch.scale for branch in genotype.branches)
    for name in OUTPUTS:
        if parse_branch_scales(name) == scales:
            return name
    raise LbtError(f"The supernet has no prediction from branches that end at {scales}. Start from random weights.")


def _copy(target: nn.Module, source: nn.Module, width: int = 0) -> None:
    """Copy each layer of `target` from the layer of the same name in `source`, whose BatchNorms have several widths."""
    for name, layer in target.named_modules():
        match layer, source.get_submodule(name):
            case SlimmableConv2d() as convolution, SlimmableConv2d() as wide:
                convolution.weight.copy_(wide.weight[tuple(slice(size) for size in convolution.weight.shape)])
            case SlimmableBatchNorm2d() as norms, SlimmableBatchNorm2d() as wide_norms:
                state = norms.norm(0).state_dict()
                for key, value in wide_norms.norm(width if len(wide_norms) > 1 else 0).state_dict().items():
                    state[key].copy_(value[: len(state[key])] if value.ndim else value)
            case nn.Conv2d() as plain, same:
                plain.load_state_dict(same.state_dict())
