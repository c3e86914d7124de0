"""Networks in every form in which they can be deployed, timed in turns beside networks that were not searched here.

A pass leads from a normalised image to the class of each pixel. The image is a generated street scene, because the time
of `lbt.space.class_map` depends on how much of an image lies near the borders of classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from lbt.baselines import build_baseline
from lbt.config import DataSettings, LatencyKey, SceneSettings
from lbt.config.baselines import BASELINES
from lbt.data.normalise import normalise
from lbt.data.scenes.write_dataset import generate_scene
from lbt.evaluation.segmenter_scores import score_segmenter
from lbt.inference.onnx_network import OnnxNetwork
from lbt.inference.segmentation_network import SegmentationNetwork
from lbt.latency.deployment import Backend, Deployment, Forward, find_obstacle
from lbt.latency.memory import measure_peak
from lbt.latency.timing import time_rounds
from lbt.network.trainable import TrainableNetwork
from lbt.runtime.device import has_bfloat16
from lbt.runtime.progress import Progress
from lbt.space.class_map import class_map
from lbt.space.largest_logit import largest_logit

PLAIN = "plain"
"""The form that training writes: eager float32, BatchNorm by itself, planes of channels (NCHW)."""
BACKENDS: tuple[Backend, ...] = get_args(Backend)


@dataclass(frozen=True)
class Entry:
    """A network in one form.

    Attributes:
        network: its name.
        backend: `PLAIN` or one of `BACKENDS`.
        precision: `float32`, `tf32`, `bfloat16`, or that of an ONNX file.
        forward: a pass on one image.
        inputs: its arguments.
        miou: in [0, 1], if the network has trained weights whose score is known.
        memory: bytes that a pass takes at once; see `measure_peak`.
    """

    network: str
    backend: str
    precision: str
    forward: Forward
    inputs: tuple[Any, ...]
    miou: float | None
    memory: int | None


class Labels(nn.Module):
    """A network that ends with the class of each pixel, from logits of every pixel."""

    def __init__(self, network: TrainableNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H, W) uint8."""
        return largest_logit(self.network(images)).to(torch.uint8)


class CoarseLogits(nn.Module):
    """A network that ends with logits at its stride."""

    def __init__(self, network: TrainableNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, C, ceil(H / s), ceil(W / s))."""
        return self.network.main_logits(images)


def draw_scene(size: tuple[int, int]) -> Tensor:
    """A street scene (3, H, W) uint8 of a height and width in pixels."""
    image, _ = generate_scene(SceneSettings(height=size[0], width=size[1]), "val", 0)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def list_forms(backends: Sequence[Backend], device: torch.device) -> list[LatencyKey]:
    """The backends and number formats that this machine has, those of the first backend first."""
    precisions = [
        "float32",
        *(["tf32"] if device.type == "cuda" else ()),
        *(["bfloat16"] if has_bfloat16(device) else ()),
    ]
    pairs = [(b, p) for b in backends for p in precisions if not (b == "onnxruntime" and p == "bfloat16")]
    keys = [LatencyKey.model_validate({"backend": backend, "precision": precision}) for backend, precision in pairs]
    return [key for key in keys if find_obstacle(key, device) is None]


def prepare_network(
    name: str,
    network: TrainableNetwork,
    forms: Sequence[LatencyKey],
    images: Tensor,
    device: torch.device,
    threads: int,
    miou: dict[str, float],
) -> list[Entry]:
    """A network in its plain form and in all `forms`.

    Args:
        name: of the network.
        network: on the CPU, in evaluation mode.
        forms: backends and number formats.
        images: one normalised image, (1, 3, H, W) float32.
        device: where it runs.
        threads: CPU threads.
        miou: by number format, as far as it is known.
    """
    passes: list[tuple[str, str, Forward, tuple[Any, ...]]] = []
    for key in forms:
        forward, inputs = _prepare(network, Deployment(key.backend, key.precision, device, threads), images)
        passes.append((key.backend, key.precision, forward, inputs))
    passes.insert(0, (PLAIN, "float32", Labels(network).to(device), (images.to(device),)))
    return [
        Entry(name, backend, precision, forward, inputs, miou.get(precision), _measure(forward, inputs, device))
        for backend, precision, forward, inputs in passes
    ]


def _prepare(network: TrainableNetwork, deployment: Deployment, images: Tensor) -> tuple[Forward, tuple[Any, ...]]:
    """A pass and its arguments, as `SegmentationNetwork` and `OnnxNetwork` compute labels."""
    if deployment.device.type != "cpu" or deployment.backend == "compile":  # these join all steps to the last one
        whole = deployment.prepare(Labels(network), (images,))
        return whole.forward, whole.inputs
    coarse, size = deployment.prepare(CoarseLogits(network), (images,)), (images.shape[-2], images.shape[-1])

    def labels(*given: Tensor) -> Tensor:
        found = coarse.forward(*given)
        return class_map(found if isinstance(found, Tensor) else torch.from_numpy(found[0]), size)

    return labels, coarse.inputs


def prepare_baselines(
    forms: Sequence[LatencyKey], scene: Tensor, classes: int, device: torch.device, threads: int
) -> list[Entry]:
    """The baselines at their published size, with random weights, in all forms; `scene` is (3, H, W) uint8."""
    data = DataSettings()
    images = normalise(scene[None], data.mean, data.std)
    return [
        entry
        for name, facts in BASELINES.items()
        for entry in prepare_network(
            facts.title, build_baseline(name, classes).eval(), forms, images, device, threads, {}
        )
    ]


def prepare_file(name: str, network: OnnxNetwork, image: Tensor, device: torch.device, miou: float | None) -> Entry:
    """An ONNX file; its pass includes the normalisation of the image (3, H, W) uint8."""
    memory = _measure(network, (image,), device)
    return Entry(name, "onnxruntime", network.precision, network, (image,), miou, memory)


def score_precisions(network: SegmentationNetwork, run: Path | None, device: torch.device) -> dict[str, float]:
    """mIoU by number format: measured on the held-out images of a run, or without a run that of the network's file."""
    if run is None:
        return {} if network.miou is None else dict.fromkeys(("float32", "tf32"), network.miou)
    network = network.to(device)
    found = {"float32": score_segmenter(network, network.classes, run)}
    if has_bfloat16(device):
        found["bfloat16"] = score_segmenter(network.fast(), network.classes, run)
    return found


def time_entries(entries: Sequence[Entry], turns: int, threads: int) -> list[dict[str, Any]]:
    """A row per entry; in each of `turns` turns every entry has one pass.

    | column | value |
    |---|---|
    | `network`, `backend`, `precision` | of the entry |
    | `median_ms`, `fps` | of a pass, and 1000 / `median_ms` |
    | `speedup` | median over the turns of the time of the same network's plain form, divided by this one's |
    | `memory_bytes`, `miou` | of the entry; missing if unknown |
    """
    torch.set_num_threads(threads)
    with Progress("bench", turns) as progress:
        times = time_rounds([(e.forward, e.inputs) for e in entries], turns, progress.advance)
    plain = {entry.network: found for entry, found in zip(entries, times, strict=True) if entry.backend == PLAIN}
    rows = []
    for entry, found in zip(entries, times, strict=True):
        base = plain.get(entry.network)
        rows.append(
            {
                "network": entry.network,
                "backend": entry.backend,
                "precision": entry.precision,
                "median_ms": median(found),
                "fps": 1e3 / median(found),
                "speedup": None if base is None else median(a / b for a, b in zip(base, found, strict=True)),
                "memory_bytes": entry.memory,
                "miou": entry.miou,
            }
        )
    return rows


def _measure(forward: Forward, inputs: tuple[Any, ...], device: torch.device) -> int | None:
    with torch.inference_mode():
        return measure_peak(lambda: forward(*inputs), device)
