"""How much disk a run needs, and whether there is so much, before its first long job.

Weights are counted on tensors without memory (PyTorch's device `meta`), so the numbers hold for any space, student and
method. What compresses, drawn images and labels, is taken at what it was measured to be with some room.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbt.config import DataSettings, SceneSettings, SearchSettings, Settings, SpaceSettings
from lbt.config.methods import METHODS
from lbt.data.classes import class_table
from lbt.data.images import read_image
from lbt.data.layouts import list_samples
from lbt.derivation.derive_guide import guide_genotype
from lbt.errors import LbtError
from lbt.files import read_json
from lbt.network.network import Network
from lbt.provenance.manifest import verify_inputs
from lbt.pseudo_labels.dataset import count_to_label
from lbt.runtime.distributed import ALONE
from lbt.search.checkpoint_retention import kept_rounds
from lbt.search.methods import load_method
from lbt.space.architecture import OPERATORS, architecture_shapes
from lbt.space.supernet import Supernet

LABEL_BYTES = 0.8
"""Of a pixel of a shard: its label, colour and confidence, compressed (measured: 0.3 for a teacher of CamVid's first
rounds, 0.8 for one whose confidence varies everywhere)."""
PROBABILITY_BYTES = 1.6
"""Of a probability at the output stride, compressed from 2 (measured: 1.3 to 1.5)."""
SCENE_BYTES = 3.0
"""Of a pixel of a drawn scene and its masks (measured: 2.1)."""
REST = 0.02
"""Share of metrics, pictures, tables and logs."""
OUTPUT_STRIDE = 8
TENSOR_BYTES = 400
"""What a checkpoint holds of a tensor beside its values."""


@dataclass(frozen=True)
class Images:
    """Images of a data set.

    Attributes:
        to_label: images that the teacher labels in a round.
        pixels: pixels of one image, the mean over all.
        drawn: images that the run draws first.
    """

    to_label: int
    pixels: float
    drawn: int = 0


@dataclass(frozen=True)
class Need:
    """Files of one kind: what they are, how many, and the bytes of all."""

    what: str
    files: int
    bytes: float


def check_disk(settings: Settings, folder: Path) -> str:
    """One line of what the run whose results are in `folder` needs and has.

    Raises:
        LbtError: less is free than it still needs, the data set cannot be found, or its report is damaged.
    """
    images = _found_images(settings, folder)
    needs = disk_needs(settings.methods, settings.seeds, settings.data, settings.space, settings.search, images)
    free = require_space(needs, folder)
    return f"disk: at most {readable(total(needs))} for the whole run, {readable(free)} free"


def _found_images(settings: Settings, folder: Path) -> Images:
    """The images as the run's check counted them, or before it as they will be drawn or as a look at them tells."""
    report = folder / "data" / "check.json"
    if report.exists():
        verify_inputs([report])
        return counted_images(read_json(report), settings.methods, settings.search)
    if settings.scenes is not None:
        return drawn_images(settings.scenes)
    samples = list_samples(settings.data, "unlabeled", settings.splits.seed)
    height, width = read_image(Path(settings.data.root) / samples[0].image).shape[:2]
    return Images(to_label=len(samples), pixels=height * width)


def counted_images(report: Mapping[str, Any], methods: Sequence[str], search: SearchSettings) -> Images:
    """The images of a data set from the report of `lbt.data.checking.check`.

    Raises:
        LbtError: fewer images than a method's teacher is to label.
    """
    parts, sizes = report["parts"], [split["sizes"] for split in report["splits"].values()]
    pixels = [(count, size.split(" x ")) for split in sizes for size, count in split.items()]
    ratio = search.pseudo_labels.ratio if any(METHODS[method].needs_pseudo_labels for method in methods) else None
    labelled = count_to_label(ratio, parts["student_train"], parts["unlabeled"])
    return Images(
        to_label=labelled,
        pixels=sum(n * int(w) * int(h) for n, (w, h) in pixels) / sum(n for n, _ in pixels),
    )


def drawn_images(scenes: SceneSettings) -> Images:
    """The images that a run will draw, none of which is there yet; all without labels are labelled at most."""
    return Images(scenes.test, scenes.height * scenes.width, scenes.train + scenes.val + scenes.test)


def disk_needs(
    methods: Sequence[str],
    seeds: Sequence[int],
    data: DataSettings,
    space: SpaceSettings,
    search: SearchSettings,
    images: Images,
) -> list[Need]:
    """What a whole run writes, at the moment when it holds most."""
    classes = class_table(data).num_classes
    repeats, networks = len(seeds), len(seeds) * len(methods)
    teaching = sum(METHODS[method].needs_pseudo_labels for method in methods)
    genotype = _largest_genotype(space)
    with torch.device("meta"):
        supernet, network = Supernet(space, classes), Network(genotype, space, classes)
    round_bytes = repeats * sum(_round_bytes(supernet, search, classes, method) for method in methods)
    # the round before the last two goes once the last one is there
    held = len(kept_rounds(search.rounds, search.keep_every)) + (search.rounds > 2)
    label_bytes = images.pixels * (LABEL_BYTES + PROBABILITY_BYTES * classes / OUTPUT_STRIDE**2)
    files = teaching * repeats * search.rounds
    # one of the stage and one that is packed for use; a guide is not packed
    trained = (3 if search.cosearch else 2) * networks
    needs = [
        Need("drawn scenes", images.drawn, images.drawn * images.pixels * SCENE_BYTES),
        Need("weights after the warm-up", repeats, repeats * _bytes(supernet.state_dict())),
        Need("weights of rounds", networks * held, held * round_bytes),
        Need("states of rounds at work", networks, round_bytes),
        Need("labels of rounds", files * search.shards, files * images.to_label * label_bytes),
        Need("retrained networks", trained, trained * _bytes(network.state_dict())),
    ]
    return [*needs, Need("metrics, pictures, logs", 1, REST * total(needs))]


def total(needs: Iterable[Need]) -> float:
    """Bytes of all needs."""
    return sum(need.bytes for need in needs)


def describe_needs(needs: Sequence[Need]) -> str:
    """The needs as a few lines of text."""
    lines = [f"disk: at most {readable(total(needs))} for the whole run"]
    shown = [need for need in needs if need.bytes >= 0.005 * total(needs)]
    return "\n".join(lines + [f"    {need.what:26} {readable(need.bytes):>9}" for need in shown])


def require_space(needs: Sequence[Need], folder: Path) -> int:
    """Bytes that are free where `folder` is or will be.

    Raises:
        LbtError: they are fewer than the needs, less what stands in the folder already.
    """
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    missing = total(needs) - _present(folder) - free
    if missing > 0:
        raise LbtError(
            f"{folder}: the disk has {readable(free)} free, and the run needs up to {readable(missing)} more. Free "
            "space, link the folder to a larger disk, or lower search.rounds, the number of seeds or of methods; a "
            f"larger search.keep_every keeps fewer weights.\n{describe_needs(needs)}"
        )
    return free


def readable(count: float) -> str:
    """Bytes with a decimal unit, such as `48 GB`; two digits at least."""
    unit = 0
    while count >= 999.5:
        count, unit = count / 1000, unit + 1
    digits = 1 if 0 < count < 9.95 else 0
    return f"{count:.{digits}f} {('B', 'kB', 'MB', 'GB', 'TB', 'PB')[unit]}"


def _round_bytes(supernet: Supernet, search: SearchSettings, classes: int, method: str) -> float:
    """Bytes of a round's checkpoint: the supernet and its momentum, and what the method's partner keeps."""
    weights = _bytes(supernet.state_dict()) + _bytes(dict(supernet.named_parameters()))
    with torch.device("meta"):
        partner = load_method(method).partner(search, classes, 0, torch.device("meta"), ALONE, pretrained=False)
    return weights + sum(map(_part_bytes, partner.parts().values()))


def _part_bytes(part: torch.nn.Module | torch.optim.Optimizer) -> float:
    """Of a network's state, or of what an optimiser holds of each weight: a momentum or Adam's two moments."""
    if isinstance(part, torch.nn.Module):
        return _bytes(part.state_dict())
    copies = 2 if isinstance(part, torch.optim.Adam) else 1
    return copies * sum(_bytes(group["params"]) for group in part.param_groups)


def _bytes(value: Any) -> float:
    """Bytes of the tensors in a nest of mappings and sequences, as a checkpoint holds them."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size() + TENSOR_BYTES
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return sum(map(_bytes, inner))


def _largest_genotype(space: SpaceSettings):
    """The discrete network of the most weights: full width, the largest operator, downs as early as they may be."""
    architecture = {key: torch.zeros(shape) for key, shape in architecture_shapes(space).items()}
    for key, logits in architecture.items():
        if key.startswith("alpha"):
            logits[:, OPERATORS.index("conv_2x")] = 1.0
    return guide_genotype(architecture, space)


def _present(folder: Path) -> int:
    """Bytes of the files in a folder; one of two names counts once."""
    looks = [path.stat() for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
    return sum({(look.st_dev, look.st_ino): look.st_size for look in looks}.values())
