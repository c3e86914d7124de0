"""A network in an ONNX file that `lbt export` wrote, run by ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from pydantic import Field, ValidationError
from torch import Tensor

from lbt.config import Color
from lbt.config.base import Section
from lbt.config.names import MOST_CLASSES, ClassName
from lbt.errors import LbtError
from lbt.inference.onnx_export import COARSE, INPUT, OUTPUTS
from lbt.latency.deployment import list_providers
from lbt.space.class_map import class_map


class _Classes(Section):
    classes: tuple[ClassName, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    colors: tuple[Color, ...]


class OnnxNetwork:
    """From an image to labels, like `SegmentationNetwork`.

    Attributes:
        classes: name of each class.
        colors: red, green and blue of each class, 0 to 255.
        precision: number format of the weights, such as `float32`.
        provider: the part of ONNX Runtime that computes, such as `CPUExecutionProvider`.
    """

    def __init__(self, path: Path, device: str, threads: int) -> None:
        """Read the file.

        Args:
            path: a file of `lbt export`; it may be a stranger's.
            device: `cpu`, `cuda`, or `auto` for the GPU if there is one and ONNX Runtime can use it.
            threads: CPU threads.

        Raises:
            LbtError: ONNX Runtime cannot use the device; the file cannot be read, or does not have the inputs, outputs
                and metadata of `lbt export`.
        """
        self.path = path
        kinds = ("cuda", "cpu") if device == "auto" and torch.cuda.is_available() else (device.replace("auto", "cpu"),)
        providers = next((found for kind in kinds if (found := list_providers(torch.device(kind)))), None)
        if providers is None:
            raise LbtError(f"--device: ONNX Runtime cannot use {device} here. Install onnxruntime-gpu, or write `cpu`.")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=providers)
        except Exception as error:  # ONNX Runtime has a class of its own for each of its errors
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise LbtError(
                f"{path}: cannot be read by ONNX Runtime ({first[:200]}). Export the network again."
            ) from error
        self.classes, self.colors = self._read_classes(self.session.get_modelmeta().custom_metadata_map)
        self.precision = self.session.get_modelmeta().custom_metadata_map.get("precision", "float32")
        self.provider = self.session.get_providers()[0]
        self._only_outputs = onnxruntime.RunOptions()
        self._only_outputs.only_execute_path_to_fetches = True  # the other outputs take a third of the time

    def _read_classes(self, metadata: dict[str, str]) -> tuple[tuple[str, ...], tuple[Color, ...]]:
        given, results = self.session.get_inputs(), [node.name for node in self.session.get_outputs()]
        try:
            if [(node.name, node.type, len(node.shape)) for node in given] != [(INPUT, "tensor(uint8)", 4)]:
                raise ValueError(f"its input is not `{INPUT}` (B, 3, H, W) uint8")
            if set(results) != set(OUTPUTS):
                raise ValueError(f"its outputs are not {' and '.join(OUTPUTS)}")
            found = {name: json.loads(metadata[name]) for name in ("classes", "colors")}
            facts = _Classes.model_validate_json(json.dumps(found))
            if len(facts.colors) != len(facts.classes):
                raise ValueError(f"it has {len(facts.classes)} classes and {len(facts.colors)} colours")
        except (KeyError, TypeError, ValidationError, ValueError) as error:
            what = f"it lacks the metadata {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
            raise LbtError(
                f"{self.path}: was not written by `lbt export` ({what}). Export the network again."
            ) from error
        return facts.classes, facts.colors

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Height and width that the file takes; None for any size."""
        height, width = self.session.get_inputs()[0].shape[2:]
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def __call__(self, image: Tensor) -> Tensor:
        """Labels (H, W) uint8 of an image (3, H, W) uint8, from the logits at the network's stride.

        Raises:
            LbtError: the file takes images of another size only, computes NaN or infinity, or gives logits of another
                shape.
        """
        if self.input_size not in (None, tuple(image.shape[1:])):
            raise LbtError(
                f"{self.path}: takes images of {self.input_size} (height, width) only, this one has "
                f"{image.shape[1]} x {image.shape[2]}. Export the network with --dynamic."
            )
        try:
            (logits,) = self.session.run([COARSE], {INPUT: image[None].contiguous().numpy()}, self._only_outputs)
        except Exception as error:  # as above
            raise LbtError(
                f"{self.path}: cannot compute the labels of an image ({str(error).splitlines()[0][:200]}). Export the "
                "network again."
            ) from error
        try:
            if logits.shape[:2] != (1, len(self.classes)) or logits.ndim != 4 or logits.dtype != np.float32:
                raise ValueError(f"one float32 logit for each of its {len(self.classes)} classes is needed")
            if not np.isfinite(logits).all():
                raise LbtError(f"{self.path}: computes NaN or infinity, so it has no labels. Export another network.")
            return class_map(torch.from_numpy(logits), (image.shape[1], image.shape[2]))[0]
        except ValueError as error:
            raise LbtError(
                f"{self.path}: gives {COARSE} {logits.shape} {logits.dtype} ({error}). Export the network again."
            ) from error
