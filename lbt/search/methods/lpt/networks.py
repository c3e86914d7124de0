"""The networks of Learning by Passing Tests, and losses of single images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbt.runtime.distributed import ALONE, Group
from lbt.search.torchvision_network import labelled_loss
from lbt.training.losses import supernet_loss


class TesterNetwork(nn.Module):
    """A segmentation network that also returns its encoder's features, which the creator scores.

    Args:
        encoder: the backbone E of a torchvision network.
        executor: its classifier X.
        two_scales: whether the classifier takes features of two scales, as that of LRASPP does.
    """

    def __init__(self, encoder: nn.Module, executor: nn.Module, *, two_scales: bool) -> None:
        super().__init__()
        self.encoder, self.executor, self.two_scales = encoder, executor, two_scales

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> logits (B, C, H, W), and the pooled features (B, channels)."""
        features = self.encoder(images)
        logits = self.executor(features if self.two_scales else features["out"])
        logits = F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return logits, self.pool(features)

    def pool(self, features: Mapping[str, Tensor]) -> Tensor:
        """The coarsest features, averaged over the image: (B, channels)."""
        return features["high" if self.two_scales else "out"].mean(dim=(-2, -1))


class Creator(nn.Sequential):
    """Scores of images from pooled features (B, channels): logits (B, 1). At first all images have equal scores."""

    def __init__(self, channels: int) -> None:
        linear = nn.Linear(channels, 1)
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
        super().__init__(nn.LayerNorm(channels, elementwise_affine=False), linear)


def shares(logits: Tensor, processes: Group) -> Tensor:
    """s / sum s of the scores s = sigmoid(logits), (B, 1) -> (B,); the sum is over the whole batch of all processes."""
    whole = F.logsigmoid(processes.all_gather(logits.squeeze(1))).softmax(dim=0)
    return whole[processes.rows(len(whole))]


def compute_losses_by_image(logits: Tensor, labels: Tensor) -> Tensor:
    """`labelled_loss` of each image, (B,). Logits (B, C, H, W), labels (B, H, W)."""
    return torch.stack([labelled_loss(a[None], b[None], ALONE) for a, b in zip(logits, labels, strict=True)])


def compute_supernet_losses_by_image(outputs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """`supernet_loss` of each image, (B,)."""
    ones = [slice(i, i + 1) for i in range(len(labels))]
    return torch.stack([supernet_loss([part[one] for part in outputs], labels[one], ALONE) for one in ones])
