"""The disk space that a run needs, compared with the free space before its first long job.

Weights are counted on tensors without memory (PyTorch's device `meta`), so the numbers hold for any space, student and
method. Labels and synthetic images are compressed: their bytes per pixel are measured values with a margin.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lbt.baselines import build_baseline
from lbt.config import Settings, SpaceSettings
from lbt.config.methods import METHODS
from lbt.data.classes import class_table
from lbt.data.images import read_facts
from lbt.data.layouts import list_samples
from lbt.derivation.derive_guide import guide_genotype
from lbt.errors import LbtError
from lbt.files import read_json
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.provenance.manifest import verify_inputs
from lbt.pseudo_labels.dataset import count_to_label
from lbt.runtime.distributed import ALONE
from lbt.runtime.shapes import shapes_only
from lbt.search.checkpoint_retention import keeps_weights
from lbt.search.methods import load_method
from lbt.search.torchvision_network import build_network
from lbt.space.architecture import architecture_shapes, convolutions
from lbt.space.supernet import Supernet
from lbt.stages.disk_usage import present_bytes, readable

LABEL_BYTES = 0.08
"""Per pixel of a shard: label, colour and a confidence for 8 x 8 pixels, compressed.

Measured: 0.075 of the default run's scenes, 0.04 of CamVid; 0.16 if the label changes every 30 pixels.
"""
PROBABILITY_BYTES = 0.78 / 64
"""Per pixel and class: a probability of a byte for 8 x 8 pixels, compressed (measured: 0.75 and 0.55 bytes)."""
SHARD_BYTES = 14e3, 7e3
"""Of a shard and of its file of probabilities beside their images."""
SCENE_BYTES = 2.3
"""Per pixel of a synthetic scene and its masks (measured: 2.1)."""
TENSOR_BYTES = 330
"""What a checkpoint holds of a tensor beside its values (measured: 270 to 320)."""
NETWORK = 0.4
"""Weights of a derived network as a share of the largest one's (measured: 0.37 of the default run, 0.35 of CamVid)."""
REST = 0.02
"""Share of metrics, pictures, tables and logs."""


class Needs(NamedTuple):
    """Bytes by the kind of file: the most that a run holds at one time, and what it holds when it has finished."""

    most: Mapping[str, float]
    finished: Mapping[str, float]


@dataclass(frozen=True)
class Images:
    """How many images a run labels in a round and generates first, and the pixels of one (mean over all)."""

    to_label: int
    pixels: float
    generated: int = 0


def check_disk(
    settings: Settings, folder: Path, report: Mapping[str, Any] | None = None, cores: int | None = None
) -> str:
    """What the run whose results are in `folder` needs, and what is free; see `require_space`.

    The images are counted by the given report of the stage `check`, or by a report in the folder.

    Args:
        cores: that the run has here, by default all; where there is Slurm, all its jobs can run at once.

    Raises:
        LbtError: too little is free; the data set cannot be found, or its report is damaged.
    """
    path = folder / "data" / "check.json"
    if report is None and path.exists():
        verify_inputs([path])
        report = read_json(path)
    here = max(1, (cores or os.cpu_count() or 1) // settings.compute.threads)
    jobs = None if shutil.which("sbatch") is not None else here
    return require_space(disk_needs(settings, count_images(settings, report), jobs), folder)


def count_images(settings: Settings, report: Mapping[str, Any] | None) -> Images:
    """The images as the stage `check` reported them; without a report, from the settings or one look at the images.

    Raises:
        LbtError: fewer images than the teacher must label; the data set cannot be found.
    """
    scenes = settings.scenes
    if report is None and scenes is not None:
        return Images(scenes.test, scenes.height * scenes.width, scenes.train + scenes.val + scenes.test)
    if report is None:
        samples = list_samples(settings.data, "unlabeled", settings.splits.seed)
        image = Path(settings.data.root) / samples[0].image
        height, width = read_facts(image, settings.data.max_pixels).size
        return Images(len(samples), height * width)
    labelling = any(METHODS[method].needs_pseudo_labels for method in settings.methods)
    ratio = settings.search.pseudo_labels.ratio if labelling else None
    sizes = [size for split in report["splits"].values() for size in split["sizes"].items()]
    pixels = [(math.prod(map(int, size.split(" x "))), count) for size, count in sizes]
    mean = sum(size * count for size, count in pixels) / sum(count for _, count in pixels)
    return Images(count_to_label(ratio, report["parts"]["student_train"], report["parts"]["unlabeled"]), mean)


def disk_needs(settings: Settings, images: Images, jobs: int | None = None) -> Needs:
    """Bytes that a whole run holds, by the kind of file.

    Args:
        settings: of the run.
        images: see `count_images`.
        jobs: how many jobs can run at once; None for all.
    """
    search, seeds, classes = settings.search, len(settings.seeds), class_table(settings.data).num_classes
    genotype = _largest_genotype(settings.space)
    with shapes_only():
        supernet, network = Supernet(settings.space, classes), Network(genotype, settings.space, classes)
        student = build_network(search.student, classes, 0, ALONE)
        baselines = [build_baseline(name, classes, settings.space.base_width) for name in settings.baselines]
    weights = _weight_bytes(supernet.state_dict().values())
    states = [
        state for method in settings.methods for state in seeds * [_state_bytes(supernet, settings, classes, method)]
    ]
    running = sorted((weights + state for state in states), reverse=True)[:jobs]

    def held(rounds: int, *, at_work: bool) -> int:
        """Rounds with weights after so many rounds."""
        numbers = range(1, rounds + 1)
        return sum(keeps_weights(number, rounds, search.keep_every, at_work=at_work) for number in numbers)

    kept = held(search.rounds, at_work=False)
    labelling = seeds * sum(METHODS[method].needs_pseudo_labels for method in settings.methods)
    pixels, shards = images.to_label * images.pixels, search.shards
    labels = labelling * (pixels * LABEL_BYTES + shards * SHARD_BYTES[0])
    probabilities = labelling * (pixels * PROBABILITY_BYTES * classes + shards * SHARD_BYTES[1])
    students = seeds * any(METHODS[method].has_student for method in settings.methods)
    # of the stage and packed for use; a guide is not packed
    networks = seeds * len(settings.methods) * (3 if search.cosearch else 2)
    largest = networks * _weight_bytes(network.state_dict().values())
    others = 2 * seeds * sum(_weight_bytes(baseline.state_dict().values()) for baseline in baselines)
    always = {
        "synthetic scenes": images.generated * images.pixels * SCENE_BYTES,
        "weights after the warm-up": seeds * weights,
        "student after its warm-up": students * _weight_bytes(student.state_dict().values()),
        "labels of rounds": search.rounds * labels,
    }
    most = always | {
        "weights of rounds": held(search.rounds, at_work=True) * len(states) * weights,
        "training states of rounds": min(2, search.rounds) * sum(states),
        "saved states of running rounds": sum(running),
        # while the last round is labelled, the round before it is the last one whose old files were removed
        "probabilities of rounds": (held(search.rounds - 1, at_work=True) + 1) * probabilities,
        "retrained networks": largest + others,
    }
    finished = always | {
        "weights of rounds": kept * len(states) * weights,
        "training states of rounds": sum(states),
        "probabilities of rounds": kept * probabilities,
        "retrained networks": NETWORK * largest + others,
    }
    return Needs(_with_rest(most), _with_rest(finished))


def _with_rest(needs: Mapping[str, float]) -> dict[str, float]:
    return {**needs, "metrics, pictures, logs": REST * sum(needs.values())}


def require_space(needs: Needs, folder: Path) -> str:
    """What a run needs and what is free at the place of `folder`, in a line, and a line for each kind of file.

    Raises:
        LbtError: less is free than the needs minus what the folder already holds.
    """
    total = sum(needs.most.values())
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    kinds = [f"    {kind:31} {readable(n):>9}" for kind, n in needs.most.items() if n >= 0.005 * total]
    missing = total - present_bytes(folder) - free
    if missing > 0:
        raise LbtError(
            f"{folder}: the disk has {readable(free)} free, and the run needs up to {readable(missing)} more. Free "
            "space, link the folder to a larger disk, or lower search.rounds, the number of seeds or of methods; a "
            "larger search.keep_every keeps fewer weights. The whole run:",
            *kinds,
        )
    finished = readable(sum(needs.finished.values()))
    line = f"disk: at most {readable(total)} while the run is in progress, {finished} when it has finished"
    return "\n".join([f"{line}, {readable(free)} free", *kinds])


def _state_bytes(supernet: Supernet, settings: Settings, classes: int, method: str) -> float:
    """Bytes of a round's training state: the supernet's momentum, and what the method's partner keeps."""
    weights = _weight_bytes(supernet.parameters())
    with shapes_only():
        partner = load_method(method).partner(settings.search, classes, 0, torch.device("meta"), ALONE)
    for part in partner.parts().values():
        if isinstance(part, torch.nn.Module):
            weights += _weight_bytes(part.state_dict().values()) + partner.copies * _weight_bytes(part.parameters())
        elif isinstance(part, torch.optim.Optimizer):  # a momentum, or the two moments of Adam
            copies = 2 if isinstance(part, torch.optim.Adam) else 1
            weights += copies * sum(_weight_bytes(group["params"]) for group in part.param_groups)
    return weights


def _weight_bytes(tensors: Iterable[Tensor]) -> float:
    return sum(tensor.numel() * tensor.element_size() + TENSOR_BYTES for tensor in tensors)


def _largest_genotype(space: SpaceSettings) -> Genotype:
    """The network with the most weights: full width, the largest operator, strides as early as they may be."""
    architecture = {key: torch.zeros(shape) for key, shape in architecture_shapes(space).items()}
    largest = max(convolutions(space), key=lambda name: name.endswith("_2x"))
    for key, logits in architecture.items():
        if key.startswith("alpha"):
            logits[:, space.operators.index(largest)] = 1.0
    return guide_genotype(architecture, space)
