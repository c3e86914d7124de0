"""Propose crops, batches and epochs for the number of images and the kind of device.

The numbers of steps are the budget. They do not grow with the data set, so a search of thousands of images takes no
longer than one of hundreds. On few images the number of epochs is limited instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lbt.data.splits import steps_for

Device = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Scale:
    """What a kind of device can do.

    Attributes:
        layers, base_width: the search space.
        area: most pixels of a crop.
        batch: most images of a batch.
        student: the student, if its batch is large enough.
        warmup, search, retrain: most steps of the warm-up, of a round and of retraining.
        rounds: of the search.
        passes: most epochs of the warm-up, of a round and of retraining.
    """

    layers: int
    base_width: int
    area: int
    batch: int
    student: str
    warmup: int
    search: int
    retrain: int
    rounds: int
    passes: tuple[int, int, int]


SCALES: Mapping[Device, Scale] = {
    "cpu": Scale(8, 4, 192 * 256, 8, "lraspp_mobilenet_v3_large", 200, 40, 1800, 3, (80, 6, 400)),
    "cuda": Scale(16, 12, 512 * 768, 8, "deeplabv3_resnet50", 2000, 150, 20_000, 10, (100, 20, 600)),
}
"""On a CPU about what `config/camvid-cpu.yaml` spends, on a GPU a few hours' worth."""

_MOVED = 5.0
"""By how much the logits may move in all: the learning rate of Adam times the number of steps."""
_SMALL_STUDENT = "lraspp_mobilenet_v3_large"


def choose_crop(smallest: tuple[int, int], usual: tuple[int, int], area: int) -> tuple[int, int]:
    """Height and width of a crop: the shape of the usual image, multiples of 32, at most `area` pixels.

    Args:
        smallest: least height and width of the images.
        usual: the most frequent height and width.
        area: most pixels.
    """
    shrink = min(1.0, (area / (usual[0] * usual[1])) ** 0.5)
    height, width = (
        max(32, min(int(side * shrink), least) // 32 * 32) for side, least in zip(usual, smallest, strict=True)
    )
    return height, width


def propose_training(
    counts: Mapping[str, int], smallest: tuple[int, int], usual: tuple[int, int], device: Device
) -> dict[str, dict[str, Any]]:
    """The sections `augmentation`, `space`, `warmup`, `search` and `retrain`.

    Args:
        counts: the number of images of each role, as the division makes them.
        smallest, usual: see `choose_crop`.
        device: kind of the device.
    """
    scale = SCALES[device]
    crop = choose_crop(smallest, usual, scale.area)
    teacher, student = counts["teacher_train"], min(counts["student_train"], counts["student_val"], counts["unlabeled"])
    batch = _batch(min(teacher, counts["teacher_val"]), scale.batch)
    student_batch = _batch(student, scale.batch)
    together = counts["teacher_train"] + counts["teacher_val"]
    retrain_batch = _batch(together, min(4, scale.batch) if together < 100 else scale.batch)
    limits = scale.passes
    warmup = _epochs(scale.warmup, teacher, batch, limits[0])
    epochs = _epochs(scale.search, teacher, batch, limits[1])
    moves = scale.rounds * steps_for(epochs, teacher, batch)
    lr = 0.01 if batch < 8 else 0.02
    return {
        "augmentation": {
            "crop": list(crop),
            "scale": [0.5, 1.5] if usual[0] * usual[1] > 2 * scale.area else [0.75, 1.5],
        },
        "space": {"layers": scale.layers, "base_width": scale.base_width},
        "warmup": {"epochs": warmup, "batch_size": batch, "optimizer": {"lr": lr}},
        "search": {
            "rounds": scale.rounds,
            "epochs": epochs,
            "batch_size": batch,
            "architecture": {"lr": float(f"{min(0.05, max(3e-4, _MOVED / moves)):.1g}")},
            "student": {
                "model": scale.student if student_batch >= 4 else _SMALL_STUDENT,
                "warmup_epochs": _epochs(scale.warmup, counts["student_train"], student_batch, limits[0]),
                "crop": [max(32, side * 3 // 4 // 32 * 32) for side in crop],
                "batch_size": student_batch,
            },
        },
        "retrain": {"epochs": _epochs(scale.retrain, together, retrain_batch, limits[2]), "batch_size": retrain_batch},
    }


def _batch(images: int, most: int) -> int:
    """A power of two that the images fill, from 2."""
    size = 2
    while 2 * size <= min(images, most):
        size *= 2
    return size


def _epochs(steps: int, images: int, batch: int, most: int) -> float | int:
    """Passes over the images that take about so many steps, to two digits."""
    epochs = min(float(most), steps * batch / images)
    return int(f"{epochs:.0f}") if epochs >= 10 else float(f"{epochs:.2g}")
