"""The sizes of the measurements, published and for a rehearsal, and noise of these sizes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbt.config import SpaceSettings, StudentSettings


@dataclass(frozen=True)
class Size:
    """Sizes of the measurements.

    Attributes:
        layers, base_width, classes: of the space.
        crop, batch: of a search step; `warmup_batch` of a warm-up step.
        student: name, crop and batch of the student.
        retrain_batch: images of a retraining step, at `crop`.
        images: sizes of labelling and inference.
        repeats: timed calls of each form.
    """

    layers: int
    base_width: int
    classes: int
    crop: tuple[int, int]
    batch: int
    warmup_batch: int
    student: StudentSettings
    retrain_batch: int
    images: tuple[tuple[int, int], ...]
    repeats: int

    @property
    def space(self) -> SpaceSettings:
        """The search space."""
        return SpaceSettings(layers=self.layers, base_width=self.base_width)


PUBLISHED = Size(
    16,
    12,
    19,
    (512, 1024),
    2,
    3,
    StudentSettings(model="deeplabv3_resnet50", crop=(512, 512), batch_size=8),
    12,
    ((1024, 2048), (512, 1024)),
    5,
)
"""As in config/cityscapes.yaml."""
SMALL = Size(
    4,
    2,
    5,
    (64, 64),
    2,
    2,
    StudentSettings(model="lraspp_mobilenet_v3_large", crop=(64, 64), batch_size=2),
    2,
    ((64, 96),),
    2,
)
"""For a rehearsal on a CPU."""


class Noise:
    """Batches of noise on a device.

    Args:
        size: the sizes.
        device: receives the tensors.
    """

    def __init__(self, size: Size, device: torch.device) -> None:
        self.size, self.device = size, device

    def images(self, count: int, shape: tuple[int, int]) -> Tensor:
        """(count, 3, H, W)."""
        source = torch.Generator().manual_seed(0)
        return torch.randn(count, 3, *shape, generator=source).to(self.device)

    def batch(self, count: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Images, and labels in blocks of 8 x 8 pixels."""
        source = torch.Generator().manual_seed(1)
        blocks = torch.randint(self.size.classes, (count, shape[0] // 8, shape[1] // 8), generator=source)
        labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
        return self.images(count, shape), labels.to(self.device)

    def soft(self, count: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Images and soft labels."""
        images, labels = self.batch(count, shape)
        hard = torch.nn.functional.one_hot(labels, self.size.classes).movedim(-1, 1).float()
        return images, 0.9 * hard + 0.1 / self.size.classes
