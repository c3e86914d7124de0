"""An ONNX file whose convolutions compute in 8-bit integers, by ONNX Runtime's static quantisation."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from lbt.files import atomic_path
from lbt.inference.onnx_export import COARSE, INPUT, export_network, metadata
from lbt.inference.onnx_network import OnnxNetwork
from lbt.inference.segmentation_network import SegmentationNetwork

QUANTISED = ["Conv", "Relu", "AveragePool", "Concat", "Resize"]
"""The operators that compute in 8 bits. The normalisation of the photograph is none of them."""


class _Images(CalibrationDataReader):
    def __init__(self, images: Sequence[np.ndarray]) -> None:
        self.images: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next image as the graph's input, or None after the last one."""
        return next(({INPUT: np.ascontiguousarray(i.transpose(2, 0, 1))[None]} for i in self.images), None)


def export_int8(
    network: SegmentationNetwork,
    path: Path | str,
    size: tuple[int, int],
    images: Sequence[np.ndarray],
    *,
    dynamic: bool = False,
) -> float:
    """Write an ONNX file in 8-bit integers; input, outputs and metadata are those of `export_network`.

    Weights have a scale for each output channel. The range of each feature is what it takes on the images
    (post-training static quantisation; Jacob et al., CVPR 2018).

    Args:
        network: on the CPU.
        path: the file.
        size: height and width in pixels, at least 32 each.
        images: training images (H, W, 3) uint8 of `size`.
        dynamic: see `export_network`.

    Returns:
        The share of the pixels of `images` to which the file gives the same label as the network, 0 to 1.

    Raises:
        LbtError: see `export_network`.
    """
    with tempfile.TemporaryDirectory() as folder, atomic_path(path) as temporary:
        plain, quantised = Path(folder) / "plain.onnx", Path(folder) / "int8.onnx"
        export_network(network, plain, size, dynamic=dynamic)
        logging.disable(logging.WARNING)  # it recommends a step that gains nothing here
        try:
            quantize_static(
                plain,
                quantised,
                _Images(images),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=QUANTISED,
                nodes_to_exclude=_enlarging(plain),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.disable(logging.NOTSET)
        model = onnx.load(quantised)
        onnx.helper.set_model_props(model, metadata(network, "int8"))
        onnx.save(model, temporary)
        found = OnnxNetwork(temporary, "cpu", 1)
        tensors = [torch.from_numpy(pixels).permute(2, 0, 1) for pixels in images]
        equal = [float((found(image) == network(image)).float().mean()) for image in tensors]
    return float(np.mean(equal))


def _enlarging(path: Path) -> list[str]:
    """The operators that enlarge the logits; they stay in float32, so that `labels` are the classes of these logits."""
    return [node.name for node in onnx.load(path).graph.node if COARSE in node.input]
