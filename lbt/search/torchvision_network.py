"""The torchvision segmentation network that a method trains beside the supernet, and its loss on labelled images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torchvision.models import segmentation

from lbt.config import StudentTraining
from lbt.data.classes import IGNORE
from lbt.runtime.distributed import Group
from lbt.search.seeded_dropout import seed_dropouts
from lbt.space.batch_norm import synchronise_batch_norms


def build_network(settings: StudentTraining, num_classes: int, seed: int, processes: Group) -> nn.Module:
    """A torchvision network with random weights, in train mode and channels-last layout.

    Its forward takes images (B, 3, H, W), B >= 2, and returns a dict whose `out` holds logits (B, C, H, W).

    Args:
        settings: names the network.
        num_classes: the number of classes C.
        seed: seed of the weights.
        processes: the processes that share every batch.
    """
    with fixed_noise(seed, torch.device("cpu")):
        network = getattr(segmentation, settings.model)(weights=None, weights_backbone=None, num_classes=num_classes)
    seed_dropouts(network, processes)
    if processes.size > 1:
        synchronise_batch_norms(network)
    # channels-last halves the time of a step on a CPU at small sizes and is never slower
    return network.to(memory_format=torch.channels_last).train()


def labelled_loss(logits: Tensor, labels: Tensor, processes: Group) -> Tensor:
    """Mean cross-entropy over the labelled pixels of a batch; 0 if there is none.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W).
        processes: the processes that share the batch.
    """
    valid = processes.reduce_loss((labels != IGNORE).sum()).clamp(min=1)
    # Summed here, because the kernel for the sum does not repeat its result on a GPU.
    losses = nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="none")
    return processes.reduce_loss(losses.sum()) / valid


@contextmanager
def fixed_noise(seed: int, device: torch.device) -> Iterator[None]:
    """Draw dropout (and any other noise) in the block from `seed`; the global generators do not change."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
