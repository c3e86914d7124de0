"""`SegmentationNetwork`: a trained network for use in a program, from images to labels."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from lbt.config import Color, SpaceSettings
from lbt.config.baselines import BASELINES
from lbt.data.images import MAX_PIXELS, read_image, upright_rgb
from lbt.data.normalise import normalise
from lbt.errors import LbtError
from lbt.inference.summary import number, summarize
from lbt.network.fold_batch_norm import fold_batch_norm
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.network.trainable import TrainableNetwork
from lbt.runtime.device import has_bfloat16
from lbt.space.class_map import class_map
from lbt.space.padding import enlarge_logits

Images = str | Path | Image.Image | np.ndarray | Tensor
"""The file of an image, a Pillow image, an array (H, W, 3), or a tensor (3, H, W) or (B, 3, H, W); red is first."""


ROUNDING = 1e-4
"""How far a float may lie outside [0, 1] by rounding."""


class SegmentationNetwork(nn.Module):
    """A trained network with its classes, normalisation, origin and scores, in eval mode.

        network = lbt.load_network("results/default/best/network.pt")
        labels = network("street.jpg")  # (H, W) int64, an index into network.classes for each pixel
        colors = network.palette[labels]  # (H, W, 3) uint8

    `print(network)` says in ten lines what it is. `network.to("cuda")` and the other methods of a module work as usual.

    Attributes:
        network: the network itself, from normalised images (B, 3, H, W) to logits (B, C, H, W).
        classes: name of each of the C classes.
        colors: red, green and blue of each class, 0 to 255; `palette` holds the same as a tensor (C, 3) uint8.
        mean: of red, green and blue in [0, 1], which is subtracted from an image in [0, 1].
        std: of red, green and blue, by which the difference is divided.
        genotype: the discrete architecture, a `lbt.network.genotype.Genotype`; None for a baseline.
        space: the search space of the genotype, or of the run that trained the baseline.
        method: the search method that found it, or the baseline of `lbt.config.baselines` that it is.
        seed: the seed of its search and training.
        input_size: height and width in pixels at which its latency was measured; any other size works too. This and
            the following attributes are None in the file that training writes, before the network is scored.
        settings_digest: digest of all settings behind the network, as in the hidden manifest beside its file.
        trained_on: name of the data set, such as that of its folder.
        scores: `miou`, `pixel_accuracy`, and `iou` by class (None for an absent class) on the official validation
            images, and `bfloat16`, what changes with `fast` (None if it was not measured).
        profile: `median_ms`, `p95_ms`, `fps`, `parameters`, `macs`, and `key`, the device and software of the
            measurement.
        max_pixels: the most pixels of a file that a call reads; may be changed.
    """

    def __init__(
        self,
        network: TrainableNetwork,
        *,
        space: SpaceSettings,
        classes: Sequence[str],
        colors: Sequence[Sequence[int]],
        mean: Sequence[float],
        std: Sequence[float],
        method: str,
        seed: int,
        input_size: tuple[int, int] | None = None,
        settings_digest: str | None = None,
        trained_on: str | None = None,
        scores: Mapping[str, Any] | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.space = network, space
        self.genotype: Genotype | None = None
        if isinstance(network, Network) and method not in BASELINES:
            self.genotype = network.genotype
        self.classes = tuple(classes)
        self.colors: tuple[Color, ...] = tuple((red, green, blue) for red, green, blue in colors)
        self.mean, self.std = tuple(mean), tuple(std)
        self.method, self.seed = method, seed
        self.input_size, self.settings_digest = input_size, settings_digest
        self.trained_on, self.scores, self.profile = trained_on, scores, profile
        self.max_pixels = MAX_PIXELS
        self.palette: Tensor
        self._mean: Tensor
        self._std: Tensor
        self.register_buffer("palette", torch.tensor(self.colors, dtype=torch.uint8), persistent=False)
        self.register_buffer("_mean", torch.tensor(self.mean), persistent=False)
        self.register_buffer("_std", torch.tensor(self.std), persistent=False)
        self.eval()

    @property
    def device(self) -> torch.device:
        """The device on which the network runs."""
        return self.palette.device

    @property
    def miou(self) -> float | None:
        """That of `scores`, in [0, 1]; None if there is none, as in a file that training writes or a stranger's."""
        return number(self.scores, "miou")

    def summary(self) -> str:
        """Ten lines: classes, data set, structure, parameters, multiply-accumulates, scores and latency."""
        return summarize(
            method=self.method,
            seed=self.seed,
            classes=self.classes,
            trained_on=self.trained_on,
            genotype=self.genotype,
            parameters=sum(parameter.numel() for parameter in self.network.parameters()),
            input_size=self.input_size,
            scores=self.scores,
            profile=self.profile,
        )

    __repr__ = summary

    def forward(self, images: Images) -> Tensor:
        """The most probable class of each pixel.

        Args:
            images: the file of an image, a Pillow image, or an array (H, W, 3): uint8, or floats in [0, 1]; or a
                tensor of such values, (3, H, W) or (B, 3, H, W). Channels are red, green, blue (OpenCV has the
                reverse order). Any size works. A file and a Pillow image that are marked as turned (EXIF) are turned
                upright, as in training.

        Returns:
            int64 on the network's device, (H, W), or (B, H, W) for a batch: indices into `classes`.

        Raises:
            LbtError: the file cannot be read, or has more than `max_pixels`; the network computes NaN or infinity.
            TypeError: something else than these.
            ValueError: an array or a tensor of another shape or number format, without a pixel, or with floats outside
                [0, 1]; a Pillow image of more than 8 bits a channel.
        """
        with torch.no_grad():
            batch = self._batch(images)
            logits = self.coarse_logits(batch)
            if not logits.isfinite().all():
                raise LbtError("The network computes NaN or infinity, so it has no labels. Take another network.")
            labels = class_map(logits, (batch.shape[-2], batch.shape[-1])).long()
        return labels if isinstance(images, Tensor) and images.ndim == 4 else labels[0]

    predict = forward

    def logits(self, images: Tensor) -> Tensor:
        """Logits (B, C, H, W) float32 of images (B, 3, H, W): uint8, or floats in [0, 1]. Gradients flow."""
        return enlarge_logits(self.coarse_logits(images), (images.shape[-2], images.shape[-1]), self.network.stride)

    def coarse_logits(self, images: Tensor) -> Tensor:
        """The same before they are enlarged: (B, C, ceil(H / s), ceil(W / s)) float32 at the network's stride s."""
        dtype = next(self.network.parameters()).dtype
        logits = self.network.main_logits(normalise(images, self._mean, self._std).to(dtype))
        return logits.float() if dtype in (torch.bfloat16, torch.float16) else logits

    def fast(self) -> SegmentationNetwork:
        """This network in bfloat16, if its device has instructions for that; otherwise the network itself.

        Weights and features have 8 bits of precision instead of 24, so a few labels change. How many is measured with
        the scores: `scores["bfloat16"]["equal_labels"]` is the share of pixels that keep their label.
        """
        if not has_bfloat16(self.device):
            return self
        fast = copy.deepcopy(self)
        fast.network = fold_batch_norm(self.network).to(torch.bfloat16)
        return fast

    def _batch(self, images: Images) -> Tensor:
        if isinstance(images, str | Path):
            images = read_image(images, self.max_pixels, "network.max_pixels")
        elif isinstance(images, Image.Image):
            images = upright_rgb(images)
        if isinstance(images, np.ndarray):
            if images.ndim != 3 or images.shape[2] != 3:
                raise ValueError(f"an array of shape {images.shape}, (H, W, 3) is needed")
            if images.dtype != np.uint8 and images.dtype.kind != "f":
                raise ValueError(f"values of type {images.dtype}, uint8 or floats in [0, 1] are needed")
            known = images.dtype in (np.uint8, np.float16, np.float32, np.float64) and images.dtype.isnative
            # PyTorch warns of an array that cannot be written, such as that of a Pillow image.
            images = np.require(images, None if known else np.float64, ["C", "W"])
            images = torch.from_numpy(images).permute(2, 0, 1)
        if not isinstance(images, Tensor):
            raise TypeError(f"a {type(images).__name__}, but a file, a Pillow image, an array or a tensor is needed")
        if images.ndim not in (3, 4) or images.shape[-3] != 3:
            raise ValueError(f"a tensor of shape {tuple(images.shape)}, (3, H, W) or (B, 3, H, W) is needed")
        if not images.numel():
            raise ValueError(f"a tensor of shape {tuple(images.shape)}, at least one pixel is needed")
        if images.is_floating_point():
            low, high = (float(end) for end in images.aminmax())
            if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also NaN
                raise ValueError(
                    f"floats from {low:.6g} to {high:.6g}, floats in [0, 1] are needed: divide values of 0 to 255 by "
                    "255, and leave the normalisation to the network"
                )
        elif images.dtype != torch.uint8:
            raise ValueError(f"values of type {images.dtype}, uint8 or floats in [0, 1] are needed")
        return (images if images.ndim == 4 else images[None]).to(self.device)
