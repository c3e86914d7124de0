"""The optimiser of a derived network, and its learning rate at each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lbt.config import RetrainOptimizer
from lbt.training.optimizers import fused_sgd


def build_optimizer(network: nn.Module, settings: RetrainOptimizer) -> torch.optim.Optimizer:
    """The optimiser of all parameters; unless `decay_all`, those of BatchNorm and the biases do not decay."""
    parameters = list(network.parameters())
    groups: list[dict[str, Any]] = [{"params": parameters, "weight_decay": settings.weight_decay}]
    if not settings.decay_all:
        groups[0]["params"] = [p for p in parameters if p.ndim > 1]
        groups.append({"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0})
    if settings.name == "sgd":
        return fused_sgd(groups, lr=settings.lr, momentum=settings.momentum)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=(settings.beta1, settings.beta2), fused=True)


def learning_rate(step: int, steps: int, *, lr: float, warmup: float, power: float) -> float:
    """lr (1 - step/steps)^power, times (step + 1) / (warmup steps) as long as this is below 1.

    Args:
        step: from 0.
        steps: of the whole training.
        lr: the largest learning rate.
        warmup: share of the steps in which the rate rises, in [0, 1).
        power: at least 0.
    """
    rising = warmup * steps
    return lr * (1 - step / steps) ** power * ((step + 1) / rising if step + 1 < rising else 1.0)
