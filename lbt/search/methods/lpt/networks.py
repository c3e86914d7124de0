"""The networks of Learning by Passing Tests, and losses image by image."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation import LRASPP

from lbt.runtime.distributed import ALONE, group
from lbt.search.torchvision_network import labelled_loss
from lbt.training.losses import supernet_loss


class TesterNetwork(nn.Module):
    """A torchvision segmentation network whose encoder's features can be scored.

    Args:
        network: its backbone is the encoder E, its classifier the executor X.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.encoder, self.executor = network.backbone, network.classifier
        self.several = isinstance(network, LRASPP)  # its classifier takes features of two scales

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> logits (B, C, H, W), and the coarsest features averaged over the image, (B, channels)."""
        features = self.encoder(images)
        logits = self.executor(features if self.several else features["out"])
        logits = F.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)
        return logits, self.pooled(features)

    def pooled(self, features: Mapping[str, Tensor]) -> Tensor:
        """The coarsest features, averaged over the image: (B, channels)."""
        return features["high" if self.several else "out"].mean(dim=(-2, -1))


class Creator(nn.Sequential):
    """Scores of images from pooled features (B, channels): logits (B, 1). At first all images score alike."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.LayerNorm(channels, elementwise_affine=False), nn.Linear(channels, 1))
        nn.init.zeros_(self[1].weight)
        nn.init.zeros_(self[1].bias)


def shares(logits: Tensor) -> Tensor:
    """s / sum s of the scores s = sigmoid(logits), (B, 1) -> (B,); the sum is over the batches of all processes."""
    among = group()
    found = F.logsigmoid(among.all_gather(logits.squeeze(1))).softmax(dim=0)
    return found[among.rows(len(found))]


def losses_by_image(logits: Tensor, labels: Tensor) -> Tensor:
    """`labelled_loss` of each image, (B,). Logits (B, C, H, W), labels (B, H, W)."""
    return torch.stack([labelled_loss(a[None], b[None], among=ALONE) for a, b in zip(logits, labels, strict=True)])


def supernet_losses_by_image(outputs: tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """`supernet_loss` of each image, (B,)."""
    ones = [slice(i, i + 1) for i in range(len(labels))]
    return torch.stack([supernet_loss([part[one] for part in outputs], labels[one], among=ALONE) for one in ones])
