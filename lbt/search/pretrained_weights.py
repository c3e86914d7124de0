"""First weights of the student (LPT's tester) before its warm-up: torchvision's own, or those of a file.

The keys of a file tell which kind it is. Every key must match the student in name, shape and type, and no key of the
student may be missing, with these exceptions:

* The layers that depend on the classes (`fc` or `classifier` of a classifier, the last layers of a segmentation network
  with other classes) keep the student's random values. The auxiliary classifier, which the student lacks, is ignored.
* The counters `num_batches_tracked`, which old files lack and nothing reads, stay 0.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn
from torchvision.models import MobileNet_V3_Large_Weights, ResNet50_Weights, WeightsEnum, segmentation

from lbt.config import StudentSettings
from lbt.errors import LbtError
from lbt.files import open_regular

SETTING = "search.student.weights"
_PATIENCE = 60.0
"""Seconds to wait for an answer of the server, and for each piece of a file."""
_TRUNK = "backbone."
_AUXILIARY = "aux_classifier."
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class _Original:
    """torchvision's weights for one kind of student.

    Attributes:
        imagenet: a classifier.
        trunk: prefix of its keys that corresponds to the student's prefix `backbone.`.
        head: prefix of its keys that are ignored.
        coco: a segmentation network of the student's kind with the 21 classes of Pascal VOC.
        class_layers: prefixes of the student's layers whose shape depends on the classes.
    """

    imagenet: WeightsEnum
    trunk: str
    head: str
    coco: WeightsEnum
    class_layers: tuple[str, ...]


_RESNET = (ResNet50_Weights.IMAGENET1K_V1, "", "fc.")
_MOBILENET = (MobileNet_V3_Large_Weights.IMAGENET1K_V1, "features.", "classifier.")
_DEEPLAB, _LRASPP = ("classifier.4.",), ("classifier.low_classifier.", "classifier.high_classifier.")
_ORIGINALS = {
    "deeplabv3_resnet50": _Original(
        *_RESNET, segmentation.DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1, _DEEPLAB
    ),
    "deeplabv3_mobilenet_v3_large": _Original(
        *_MOBILENET, segmentation.DeepLabV3_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1, _DEEPLAB
    ),
    "lraspp_mobilenet_v3_large": _Original(
        *_MOBILENET, segmentation.LRASPP_MobileNet_V3_Large_Weights.COCO_WITH_VOC_LABELS_V1, _LRASPP
    ),
}


def load_pretrained_weights(student: nn.Module, settings: StudentSettings, num_classes: int) -> None:
    """Overwrite the random weights of a student, in place, with those that `settings.weights` names.

    * `none`: reads nothing.
    * `imagenet`: the backbone, from the classifier that torchvision's `weights_backbone` loads by default.
    * `coco`: everything except the class layers, from torchvision's `COCO_WITH_VOC_LABELS_V1`.
    * a file with a state dict from `torch.save`. If it holds the whole network with as many classes, everything is
      loaded. torchvision's file of `coco` (21 classes) is loaded like `coco`, unless the student has 21 classes too. A
      classifier such as torchvision's file of `imagenet` is loaded like `imagenet`.

    torchvision's files are downloaded once into torch.hub's folder of checkpoints and checked against the digest in
    their name. If anything does not fit, the student does not change.

    Args:
        student: torchvision's network `settings.model` without an auxiliary classifier.
        settings: the student's settings.
        num_classes: the student's number of classes C.

    Raises:
        LbtError: missing, unreadable or damaged file, no network connection, or weights of another student.
    """
    if settings.weights == "none":
        return
    original, own = _ORIGINALS[settings.model], student.state_dict()
    auxiliary = (_AUXILIARY,) if hasattr(student, "aux_classifier") else ()
    # For each kind of file: the student's tensors by the file's keys, and prefixes of keys that the file may also have.
    backbone = {original.trunk + key.removeprefix(_TRUNK): own[key] for key in own if key.startswith(_TRUNK)}
    classless = {key: own[key] for key in own if not key.startswith(original.class_layers)}
    as_classifier, as_whole = (backbone, (original.head,)), (own, auxiliary)
    as_other_classes = (classless, (*original.class_layers, *auxiliary))

    if settings.weights == "imagenet":
        (state, source), kind = _downloaded(original.imagenet, settings.weights), as_classifier
    elif settings.weights == "coco":
        (state, source), kind = _downloaded(original.coco, settings.weights), as_other_classes
    else:
        source = Path(settings.weights)
        state, kind = _read(source), as_classifier
        if any(key.startswith(_TRUNK) for key in state):
            _check_keys(state, *as_whole, source, settings.model)
            kind = as_whole if _has_classes(state, num_classes, original, auxiliary, source) else as_other_classes
    needed, ignored = kind
    _check_keys(state, needed, ignored, source, settings.model)
    loaded = {key: tensor for key, tensor in needed.items() if key in state}
    for key, tensor in loaded.items():
        _check_value(key, state[key], tensor, source)
    with torch.no_grad():
        for key, tensor in loaded.items():
            tensor.copy_(state[key])


def _has_classes(
    state: Mapping[str, Tensor], num_classes: int, original: _Original, auxiliary: tuple[str, ...], source: Path
) -> bool:
    """Whether a network has the student's number of classes; if not, only torchvision's own network is accepted."""
    found = state[f"{original.class_layers[0]}bias"].numel()
    if found == num_classes:
        return True
    names = original.coco.meta["categories"]
    if found == len(names) and any(key.startswith(_AUXILIARY) for key in state) == bool(auxiliary):
        return False
    raise LbtError(
        f"{source}: was trained on {found} classes, the data set has {num_classes}. Name weights of {num_classes} "
        f"classes in {SETTING}, or torchvision's own file {_file_name(original.coco)}, which is loaded without its "
        "last layers."
    )


def _downloaded(weights: WeightsEnum, setting: str) -> tuple[dict[str, Tensor], Path]:
    """torchvision's weights, from torch.hub's folder or a download, and the file that holds them."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / _file_name(weights)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)  # torch.hub itself would wait for ever for a server that does not answer
    try:
        # torch.hub first writes to a temporary file, which it removes if the download fails
        state = weights.get_state_dict(progress=False, check_hash=True, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken connection and a damaged file can raise nearly anything
        if file.exists():
            raise LbtError(f"{file}: cannot be read ({_reason(error)}). Delete it and rerun to download it.") from error
        raise LbtError(
            f"{SETTING}: `{setting}` needs torchvision's {weights}, which cannot be downloaded ({_reason(error)}). Put "
            f"the file {file.name} into {file.parent} by hand, name a file of weights in {SETTING}, or write `none`."
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return _checked_state(state, file), file


def _file_name(weights: WeightsEnum) -> str:
    return PurePosixPath(urlsplit(weights.url).path).name


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with open(path, "rb", opener=open_regular) as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise LbtError(f"{path}: is missing. {SETTING} is `none`, `imagenet`, `coco` or a file of weights.") from error
    except Exception as error:  # a damaged file can raise nearly anything
        raise LbtError(
            f"{path}: cannot be read as weights ({_reason(error)}). Name a file in {SETTING} that "
            "`torch.save(network.state_dict(), file)` wrote, or download it again."
        ) from error
    return _checked_state(state, path)


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # PyTorch's own message advises to load the file without this check
        return "it holds something other than tensors"
    return " ".join([type(error).__name__, *str(error).splitlines()[:1]])


def _checked_state(state: Any, source: Path) -> dict[str, Tensor]:
    """The content of a file, if it is a state dict."""
    hint = "Save only a network's `state_dict()`."
    if not isinstance(state, dict) or not state:
        raise LbtError(f"{source}: holds a {type(state).__name__}, tensors by name are needed. {hint}")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise LbtError(f"{source}: {key}: is a {type(value).__name__}, a tensor is needed. {hint}")
    return state


def _check_keys(
    state: Mapping[str, Tensor], needed: Mapping[str, Tensor], ignored: tuple[str, ...], source: Path, model: str
) -> None:
    missing = [key for key in needed if key not in state and not key.endswith(_COUNTER)]
    unknown = [key for key in state if key not in needed and not key.startswith(ignored)]
    parts = [
        f"{what} {keys[0]}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")
        for what, keys in (("lacks", missing), ("has the unknown", unknown))
        if keys
    ]
    if parts:
        raise LbtError(
            f"{source}: does not fit the student ({model}): it {'; it '.join(parts)}. Name weights of {model} or of "
            f"its backbone in {SETTING}, or change search.student.model."
        )


def _check_value(key: str, value: Tensor, own: Tensor, source: Path) -> None:
    have, need = (f"{str(t.dtype).removeprefix('torch.')} of shape {tuple(t.shape)}" for t in (value, own))
    if value.layout != torch.strided or value.device.type == "meta":
        have = f"a {value.device.type} tensor of layout {value.layout}"
    if have != need:
        raise LbtError(f"{source}: {key}: is {have}, the student's is {need}. Name weights of the student's network.")
    if not value.isfinite().all() or (key.endswith("running_var") and (value < 0).any()):
        what = "a negative variance" if value.isfinite().all() else "NaN or infinity"
        raise LbtError(f"{source}: {key}: holds {what}. Its training failed; name other weights.")
