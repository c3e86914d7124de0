"""The student: a torchvision segmentation network, its loss on labels of people and of the teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torchvision.models import segmentation

from lbt.config import StudentSettings
from lbt.data.classes import IGNORE
from lbt.runtime.distributed import Group, group
from lbt.search.pretrained_weights import load_student_weights
from lbt.search.seeded_dropout import seed_dropouts
from lbt.space.batch_norm import synchronise_batch_norms


def build_student(settings: StudentSettings, num_classes: int, seed: int, *, pretrained: bool = True) -> nn.Module:
    """A student in train mode and channels-last layout.

    Its forward takes images (B, 3, H, W), B >= 2, and returns a dict whose `out` holds logits (B, C, H, W).

    Args:
        settings: the network, and what its weights start from (see `lbt.search.pretrained_weights`).
        num_classes: the number of classes C.
        seed: weights that `settings.weights` does not give are drawn from it; they do not depend on what it gives.
        pretrained: False draws all weights and reads nothing, for a caller that overwrites them.

    Raises:
        LbtError: the wanted weights cannot be had or do not fit.
    """
    with fixed_noise(seed, torch.device("cpu")):
        student = getattr(segmentation, settings.model)(weights=None, weights_backbone=None, num_classes=num_classes)
    if pretrained:
        load_student_weights(student, settings, num_classes)
    seed_dropouts(student)
    if group().size > 1:
        synchronise_batch_norms(student)
    # channels-last halves the time of a step on a CPU at small sizes and is never slower
    return student.to(memory_format=torch.channels_last).train()


def labelled_loss(logits: Tensor, labels: Tensor, *, among: Group | None = None) -> Tensor:
    """Mean cross-entropy over the labelled pixels of a batch; 0 where there is none.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W).
        among: the processes that hold the batch; None means all of the job.
    """
    among = among or group()
    valid = among.reduce_loss((labels != IGNORE).sum()).clamp(min=1)
    return among.reduce_loss(nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")) / valid


@contextmanager
def fixed_noise(seed: int, device: torch.device) -> Iterator[None]:
    """Draw dropout (and any other noise) inside from `seed`, and leave the global generators as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
