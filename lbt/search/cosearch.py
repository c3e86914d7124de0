"""The guide: a second architecture on the same weights, at full width and without latency.

Its retrained network is later distilled into the searched one. FasterSeg calls this co-searching, and it calls the
guide a teacher (Chen et al., ICLR 2020, section 3.4). In this package the teacher is the supernet, which labels images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.config import AdamSettings, SpaceSettings
from lbt.runtime.distributed import Group
from lbt.search.batches import Batch
from lbt.search.hypergradient import Parameters, constant_weights, loss_gradient
from lbt.search.tensor_dicts import norm
from lbt.space.architecture import Architecture, entropies, initial_architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import max_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep, adam


@dataclass(frozen=True)
class Guide:
    """The guide's logits as leaves on the host, and the optimiser of alpha and beta; gamma never moves."""

    architecture: Architecture
    optimizer: torch.optim.Optimizer


def create_guide(space: SpaceSettings, settings: AdamSettings, source: torch.Generator) -> Guide:
    """A guide with logits drawn from `source`, a CPU generator."""
    architecture = initial_architecture(space, source)
    # Only the shape of an architecture requires gamma: the guide has the full width everywhere.
    moving = [leaf.requires_grad_() for name, leaf in architecture.items() if not name.startswith("gamma")]
    return Guide(architecture, adam(moving, settings))


def guide_step(
    guide: Guide,
    supernet: Supernet,
    validation: Batch,
    space: SpaceSettings,
    clip_norm: float,
    guard: GuardedStep,
    processes: Group,
) -> dict[str, float]:
    """One first-order step of the guide on L(T, guide, D_t^val) at full width.

    Args:
        guide: its alpha and beta move.
        supernet: the teacher in train mode; weights and buffers do not change.
        validation: images (B, 3, H, W) and labels (B, H, W) of D_t^val.
        space: the search space.
        clip_norm: largest norm of the gradient.
        guard: applies the step.
        processes: the processes that share the batch.

    Returns:
        The loss, and the norm of its gradient before clipping.
    """
    images, labels = validation
    widths = max_widths(space)
    moving = {name: leaf for name, leaf in guide.architecture.items() if leaf.requires_grad}

    def loss(leaves: Parameters) -> Tensor:
        outputs = supernet(images, {**guide.architecture, **leaves}, widths)
        return supernet_loss(outputs, labels, processes)

    with constant_weights(supernet):
        found, gradient = loss_gradient(loss, moving, processes)
    value = float(found)  # the guide is on the host, as its gradient
    for name, leaf in moving.items():
        leaf.grad = gradient[name]
    length = norm(gradient)
    guard.apply(guide.optimizer, {"validation loss": value}, clip_norm)
    return {"guide_val_loss": value, "guide_gradient_norm": length}


def guide_entropies(guide: Guide) -> dict[str, float]:
    """Mean entropy of the guide's choices of operator and predecessor, as in `lbt.space.architecture.entropies`."""
    values = entropies(guide.architecture)
    return {f"guide_entropy_{name}": values[name] for name in ("alpha", "beta")}
