"""Weights in the form of torchvision's files, and a student that loads them."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torchvision import models
from torchvision.models import segmentation

from lbt.config import StudentSettings
from lbt.runtime.distributed import ALONE
from lbt.search.pretrained_weights import load_pretrained_weights
from lbt.search.torchvision_network import build_network

LRASPP, MOBILE, RESNET = "lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50"
MODELS = (LRASPP, MOBILE, RESNET)
IMAGENET = {LRASPP: "mobilenet_v3_large-8738ca79.pth", MOBILE: "mobilenet_v3_large-8738ca79.pth"}
IMAGENET |= {RESNET: "resnet50-0676ba61.pth"}
COCO = {LRASPP: "lraspp_mobilenet_v3_large-d234d4ea.pth", MOBILE: "deeplabv3_mobilenet_v3_large-fc3c493d.pth"}
COCO |= {RESNET: "deeplabv3_resnet50_coco-cd0a2569.pth"}
LAST = {
    LRASPP: {f"classifier.{name}_classifier.{kind}" for name in ("low", "high") for kind in ("weight", "bias")},
    MOBILE: {"classifier.4.weight", "classifier.4.bias"},
    RESNET: {"classifier.4.weight", "classifier.4.bias"},
}
C = 5


def filled(build: Callable[..., torch.nn.Module], **arguments: object) -> dict[str, Tensor]:
    """A state dict with the shapes of torchvision's model; each tensor is full of its own value, so it is small."""
    with torch.device("meta"):
        shapes = build(weights=None, **arguments).state_dict()
    return {
        key: torch.tensor(i + 1).to(tensor.dtype).expand(tensor.shape) for i, (key, tensor) in enumerate(shapes.items())
    }


def classifier(model: str) -> dict[str, Tensor]:
    return filled(models.resnet50 if model == RESNET else models.mobilenet_v3_large)


def network(model: str, classes: int, **arguments: object) -> dict[str, Tensor]:
    return filled(getattr(segmentation, model), weights_backbone=None, num_classes=classes, **arguments)


def coco(model: str) -> dict[str, Tensor]:
    """The content of torchvision's file: 21 classes, and for DeepLabV3 an auxiliary classifier."""
    return network(model, 21, **({} if model == LRASPP else {"aux_loss": True}))


def in_backbone(model: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A classifier's tensors under the student's keys."""
    trunk, head = ("", "fc.") if model == RESNET else ("features.", "classifier.")
    return {f"backbone.{key.removeprefix(trunk)}": value for key, value in state.items() if not key.startswith(head)}


def build_student(model: str, weights: str | Path, seed: int = 0, classes: int = C) -> torch.nn.Module:
    settings = StudentSettings(model=model, weights=str(weights))
    built = build_network(settings, classes, seed, ALONE)
    load_pretrained_weights(built, settings, classes)
    return built


def student(model: str, weights: str | Path, seed: int = 0, classes: int = C) -> dict[str, Tensor]:
    return build_student(model, weights, seed, classes).state_dict()


def check(found: dict[str, Tensor], drawn: dict[str, Tensor], given: dict[str, Tensor], left: set[str]) -> None:
    """Check that `found` equals `drawn` in the keys of `left` and `given` in all others."""
    assert found.keys() == drawn.keys()
    for key, value in found.items():
        assert torch.equal(value, drawn[key] if key in left else given[key]), key
        assert key not in given or key in left or not torch.equal(value, drawn[key]), key
