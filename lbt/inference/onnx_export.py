"""Export a network as an ONNX file whose graph takes photographs and normalises them itself."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from lbt import __version__
from lbt.errors import LbtError
from lbt.files import atomic_path
from lbt.inference.segmentation_network import SegmentationNetwork
from lbt.latency.onnx_session import export_program
from lbt.space.padding import enlarge_logits

TOLERANCE = 1e-4
"""Largest difference of a logit that the export accepts, as a share of the largest logit."""
TOLERANCES = {"float32": TOLERANCE, "float16": 2e-2}
"""Number format -> the tolerance of its file; float16 has 11 bits of precision instead of 24."""
INPUT, COARSE = "images", "coarse_logits"
OUTPUTS = ("logits", "labels", COARSE)
OTHER = (61, 97)
"""The second size at which a file for any size is checked: odd, one side below and one above a multiple of 32."""


@dataclass(frozen=True)
class Agreement:
    """The agreement of ONNX Runtime and PyTorch on images of one size.

    Attributes:
        shape: batch, height and width.
        difference: largest difference of a logit, as a share of the largest absolute logit.
        equal: share of pixels with the same label, 0 to 1.
    """

    shape: tuple[int, int, int]
    difference: float
    equal: float


class _Graph(nn.Module):
    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        coarse = self.network.coarse_logits(images)
        logits = enlarge_logits(coarse, (images.shape[-2], images.shape[-1]), self.network.network.stride)
        return logits, logits.argmax(dim=1).to(torch.uint8), coarse


def export_network(
    network: SegmentationNetwork,
    path: Path | str,
    size: tuple[int, int],
    *,
    dynamic: bool = False,
    precision: Literal["float32", "float16"] = "float32",
) -> list[Agreement]:
    """Write an ONNX file and compare it with the network, in ONNX Runtime on the CPU.

    The graph takes `images` (B, 3, H, W) uint8, red, green and blue from 0 to 255, and gives `logits` (B, C, H, W)
    float32, `labels` (B, H, W) uint8, and `coarse_logits` (B, C, ceil(H / s), ceil(W / s)) float32 at the network's
    stride s, which are those before they are enlarged. Its metadata are those of `metadata`.

    Args:
        network: on the CPU.
        path: the file. It is written only if the two agree.
        size: height and width in pixels, at least 32 each.
        dynamic: if true, the file takes any batch, height and width; otherwise one image of `size`.
        precision: number format of weights and features. With `float16` the file is half as large. ONNX Runtime
            computes float16 on GPUs; on most CPUs it converts to float32 and is slower.

    Returns:
        The agreement at each compared size.

    Raises:
        LbtError: a logit differs by more than `TOLERANCES` of the largest logit, or the file cannot be written.
    """
    exported, tolerance = network, TOLERANCES[precision]
    if precision == "float16":
        exported = copy.deepcopy(network)
        exported.network.half()
    # The exporter would treat a batch of one as a constant.
    example = _noise((2 if dynamic else 1, *size))
    program = export_program(
        _Graph(exported).eval(),
        (example,),
        input_names=[INPUT],
        output_names=list(OUTPUTS),
        dynamic_shapes={INPUT: {0: "batch", 2: "height", 3: "width"}} if dynamic else None,
    )
    program.model.metadata_props.update(metadata(network, precision))
    with atomic_path(path) as temporary:
        program.save(temporary, external_data=False)
        session = onnxruntime.InferenceSession(temporary, providers=["CPUExecutionProvider"])
        shapes = [(1, *size), (2, *OTHER)] if dynamic else [(1, *size)]
        found = [compare(network, session, shape) for shape in shapes]
        for agreement in found:
            if not agreement.difference <= tolerance:  # also NaN
                raise LbtError(
                    f"{path}: was not written, because ONNX Runtime and PyTorch differ by {agreement.difference:.2g} "
                    f"of the largest logit at {agreement.shape[1]} x {agreement.shape[2]}, above {tolerance:g}. Try "
                    "another version of either."
                )
    return found


def compare(
    network: SegmentationNetwork, session: onnxruntime.InferenceSession, shape: tuple[int, int, int]
) -> Agreement:
    """Run both on the same noise of shape (B, H, W)."""
    images = _noise(shape)
    logits, labels, _ = session.run(list(OUTPUTS), {INPUT: images.numpy()})
    with torch.no_grad():
        expected = network.logits(images)
    largest = max(float(expected.abs().max()), np.finfo(np.float32).tiny)
    difference = float(np.abs(logits - expected.numpy()).max() / largest)
    return Agreement(shape, difference, float((labels == expected.argmax(dim=1).numpy()).mean()))


def metadata(network: SegmentationNetwork, precision: str = "float32") -> dict[str, str]:
    """Metadata for a program that uses the file: classes, colours, normalisation, scores and origin, as text.

    The network's scores hold for float32 alone; another precision has none.
    """
    plain: dict[str, object] = {
        "classes": network.classes,
        "colors": network.colors,
        "mean": network.mean,
        "std": network.std,
        "scores": network.scores if precision == "float32" else None,
    }
    return {
        **{name: json.dumps(value, allow_nan=False) for name, value in plain.items()},
        "settings_digest": network.settings_digest or "",
        "method": network.method,
        "seed": str(network.seed),
        "precision": precision,
        "lbt_version": __version__,
        "input": "images (B, 3, H, W) uint8, red, green, blue from 0 to 255; the graph normalises them",
        "output": "logits (B, C, H, W) float32; labels (B, H, W) uint8, index into classes; coarse_logits, the logits "
        "at the stride of the network",
    }


def _noise(shape: tuple[int, int, int]) -> Tensor:
    batch, height, width = shape
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)
