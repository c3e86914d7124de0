"""The student's first weights: what is taken of each kind of file, what is refused, and what stays as drawn."""

import io
import pickle
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from torch import Tensor
from torchvision import models
from torchvision.models import segmentation

from lbt.config import StudentSettings
from lbt.errors import LbtError
from lbt.search.methods import load_method
from lbt.search.state import save_round, start_round
from lbt.search.student import build_student
from lbt.search.supernet_file import identity_of

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
    """What torchvision's file holds: 21 classes, and for DeepLabV3 an auxiliary classifier."""
    return network(model, 21, **({} if model == LRASPP else {"aux_loss": True}))


def in_backbone(model: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A classifier's tensors under the student's keys."""
    trunk, head = ("", "fc.") if model == RESNET else ("features.", "classifier.")
    return {f"backbone.{key.removeprefix(trunk)}": value for key, value in state.items() if not key.startswith(head)}


def student(model: str, weights: str | Path, seed: int = 0, classes: int = C) -> dict[str, Tensor]:
    return build_student(StudentSettings(model=model, weights=str(weights)), classes, seed).state_dict()


def check(found: dict[str, Tensor], drawn: dict[str, Tensor], given: dict[str, Tensor], left: set[str]) -> None:
    """`found` is `given` but for the keys in `left`, which are as drawn."""
    assert found.keys() == drawn.keys()
    for key, value in found.items():
        assert torch.equal(value, drawn[key] if key in left else given[key]), key
        assert key not in given or key in left or not torch.equal(value, drawn[key]), key


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """torch.hub's folder of checkpoints, empty, and no network."""

    def refuse(*arguments, **options):
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def file(tmp_path):
    """Write a state dict to a file of the test's folder."""

    def write(content: object) -> Path:
        path = tmp_path / "weights.pth"
        torch.save(content, path)
        return path

    return write


@pytest.mark.parametrize("model", MODELS)
def test_imagenet_is_what_torchvision_gives_a_backbone_by_default(model):
    default = signature(getattr(segmentation, model)).parameters["weights_backbone"].default
    assert default.url.rpartition("/")[2] == IMAGENET[model]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("setting", ["imagenet", "file"])
def test_a_classifier_gives_the_backbone_and_the_rest_stays_drawn(model, setting, hub):
    torch.save(classifier(model), hub / IMAGENET[model])
    found = student(model, setting if setting == "imagenet" else hub / IMAGENET[model], seed=3)
    drawn, given = student(model, "none", seed=3), in_backbone(model, classifier(model))
    assert all(key.startswith("classifier.") for key in drawn.keys() - given.keys())
    check(found, drawn, given, drawn.keys() - given.keys())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("setting", ["coco", "file"])
def test_the_network_of_coco_gives_all_but_its_class_layers(model, setting, hub):
    torch.save(coco(model), hub / COCO[model])
    found = student(model, setting if setting == "coco" else hub / COCO[model], seed=3)
    check(found, student(model, "none", seed=3), coco(model), LAST[model])


def test_coco_keeps_drawn_class_layers_where_the_classes_are_as_many(hub):
    torch.save(coco(MOBILE), hub / COCO[MOBILE])
    check(student(MOBILE, "coco", classes=21), student(MOBILE, "none", classes=21), coco(MOBILE), LAST[MOBILE])
    # a file of as many classes is taken whole, whoever wrote it
    found = student(MOBILE, hub / COCO[MOBILE], classes=21)
    check(found, student(MOBILE, "none", classes=21), coco(MOBILE), set())


@pytest.mark.parametrize("model", MODELS)
def test_a_network_of_as_many_classes_is_taken_whole(model, file):
    check(student(model, file(network(model, C))), student(model, "none"), network(model, C), set())


def test_an_auxiliary_classifier_of_as_many_classes_is_left(file):
    state = network(MOBILE, C, aux_loss=True)
    check(student(MOBILE, file(state)), student(MOBILE, "none"), state, set())


def test_a_student_that_was_saved_comes_back(file):
    saved = student(LRASPP, "none", seed=1)
    found = build_student(StudentSettings(model=LRASPP, weights=str(file(saved))), C, seed=2)
    assert all(torch.equal(value, saved[key]) for key, value in found.state_dict().items())
    assert found.training and all(parameter.requires_grad for parameter in found.parameters())
    convolution = next(m for m in found.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3))
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)


def test_counters_of_batches_may_be_missing(file):
    state = {key: value for key, value in classifier(RESNET).items() if not key.endswith("num_batches_tracked")}
    drawn, given = student(RESNET, "none"), in_backbone(RESNET, state)
    check(student(RESNET, file(state)), drawn, given, drawn.keys() - given.keys())
    assert len(given) < len(in_backbone(RESNET, classifier(RESNET)))


@pytest.mark.parametrize("weights", ["none", "imagenet", "coco"])
def test_weights_repeat_and_random_ones_are_those_of_the_seed(weights, hub):
    torch.save(classifier(LRASPP), hub / IMAGENET[LRASPP])
    torch.save(coco(LRASPP), hub / COCO[LRASPP])
    torch.manual_seed(7)
    first, follows = student(LRASPP, weights, seed=1), torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(follows, torch.rand(3))  # nothing was drawn from the global generator
    again, other = student(LRASPP, weights, seed=1), student(LRASPP, weights, seed=2)
    last = "classifier.high_classifier.weight"
    assert all(torch.equal(value, again[key]) for key, value in first.items())
    assert not torch.equal(first[last], other[last])
    with torch.random.fork_rng():
        torch.manual_seed(1)
        plain = getattr(segmentation, LRASPP)(weights=None, weights_backbone=None, num_classes=C).state_dict()
    assert torch.equal(first[last], plain[last])


REFUSED = {
    "other classes": (
        lambda: network(LRASPP, 4),
        "was trained on 4 classes, the data set has 5.*lraspp_mobilenet_v3_large-d234d4ea.pth",
    ),
    "other model": (
        lambda: coco(MOBILE),
        r"not the student's \(lraspp_mobilenet_v3_large\): it lacks classifier\.cbr\.0\.weight and \d+ more; it has "
        r"the unknown classifier\.0\.convs\.0\.0\.weight and \d+ more.*change search\.student\.model",
    ),
    "other classifier": (
        lambda: filled(models.mobilenet_v3_small),
        r"it lacks features\.1\.block\.1\.0\.weight and \d+ more",
    ),
    "auxiliary where there is none": (
        lambda: network(LRASPP, C) | {"aux_classifier.0.weight": torch.ones(1)},
        r"it has the unknown aux_classifier.0.weight\. Name",
    ),
    "missing key": (
        lambda: {k: v for k, v in network(LRASPP, C).items() if k != "classifier.cbr.1.bias"},
        r"it lacks classifier.cbr.1.bias\. Name",
    ),
    "unknown key": (
        lambda: classifier(LRASPP) | {"features.99.weight": torch.ones(1)},
        r"it has the unknown features.99.weight\. Name",
    ),
    "key without its prefix": (
        lambda: classifier(LRASPP) | {"0.0.weight": torch.ones(1)},
        r"it has the unknown 0\.0\.weight\. Name",
    ),
    "shape": (
        lambda: network(LRASPP, C) | {"backbone.0.0.weight": torch.ones(1, 3, 3, 3)},
        r"backbone.0.0.weight: is float32 of shape \(1, 3, 3, 3\), the student's is float32 of shape \(16, 3, 3, 3\)",
    ),
    "type": (
        lambda: {k: v.half() if v.is_floating_point() else v for k, v in classifier(LRASPP).items()},
        r"features.0.0.weight: is float16 of shape \(16, 3, 3, 3\), the student's is float32",
    ),
    "not finite": (
        lambda: classifier(LRASPP) | {"features.0.1.weight": torch.full((16,), torch.nan)},
        "features.0.1.weight: holds NaN or infinity",
    ),
    "a checkpoint of a training": (
        lambda: {"model": network(LRASPP, C), "epoch": 3},
        r"model: is a dict, a tensor is needed\. Save",
    ),
    "one tensor": (lambda: torch.ones(3), "holds a Tensor, tensors by name are needed"),
    "nothing": (dict, "holds a dict, tensors by name are needed"),
    "a module": (lambda: torch.nn.Linear(2, 2), r"cannot be read as weights \(it holds something other than tensors"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_weights_that_do_not_fit_are_refused_with_file_and_key(case, file):
    make, message = REFUSED[case]
    path = file(make())
    with pytest.raises(LbtError, match=rf"^{path}: .*{message}"):
        student(LRASPP, path)


@pytest.mark.parametrize("aux", [True, False])
def test_only_torchvisions_network_of_21_classes_is_taken_in_part(aux, file):
    path = file(network(MOBILE, 21, aux_loss=aux))
    if aux:
        student(MOBILE, path)
    else:
        with pytest.raises(LbtError, match="was trained on 21 classes, the data set has 5"):
            student(MOBILE, path)


@pytest.mark.parametrize("length", [0, 50, 4000, -1])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_file_is_refused(length, zipped, tmp_path):
    buffer, path = io.BytesIO(), tmp_path / "weights.pth"
    torch.save(network(LRASPP, C), buffer, _use_new_zipfile_serialization=zipped)
    path.write_bytes(buffer.getvalue()[:length])
    with pytest.raises(LbtError, match=rf"^{path}: cannot be read as weights \(.+\)\. Name a file"):
        student(LRASPP, path)


@pytest.mark.parametrize(
    "content",
    [b"<html>not found</html>", b"hello world", pickle.dumps([1], protocol=2)],
    ids=["page", "text", "pickle"],
)
def test_a_file_of_something_else_is_refused(content, tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(LbtError, match=rf"^{path}: cannot be read as weights \(.+\)\. Name a file"):
        student(LRASPP, path)


def test_a_missing_file_is_named_with_the_words_of_the_setting(tmp_path):
    with pytest.raises(LbtError, match=r"nowhere\.pth: is missing.*`none`, `imagenet`, `coco` or a file"):
        student(LRASPP, tmp_path / "nowhere.pth")
    with pytest.raises(LbtError, match="cannot be read as weights"):
        student(LRASPP, tmp_path)


@pytest.mark.parametrize(
    ("setting", "enum", "names"),
    [
        ("imagenet", "ResNet50_Weights.IMAGENET1K_V1", IMAGENET),
        ("coco", "DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1", COCO),
    ],
)
def test_without_a_network_the_message_says_what_to_put_where(setting, enum, names, hub):
    with pytest.raises(LbtError) as caught:
        student(RESNET, setting)
    message = str(caught.value)
    assert message.startswith(f"search.student.weights: `{setting}` needs torchvision's {enum}")
    assert "Name or service not known" in message
    assert f"Put the file {names[RESNET]} into {hub} by hand, name a file" in message and "`none`" in message
    assert not list(hub.iterdir())


class Answer(io.BytesIO):
    """A server's answer, which may break off."""

    breaks = False

    def info(self):
        return type("Header", (), {"get_all": lambda self, name: None})()

    def read(self, size=-1):
        data = super().read(size)
        if not data and self.breaks:
            raise ConnectionResetError("Connection reset by peer")
        return data


class Broken(Answer):
    breaks = True


@pytest.mark.parametrize(("answer", "reason"), [(Broken, "Connection reset by peer"), (Answer, "invalid hash value")])
def test_a_download_that_breaks_off_or_is_something_else_leaves_no_file(answer, reason, hub, monkeypatch):
    buffer = io.BytesIO()
    torch.save(classifier(LRASPP), buffer)
    monkeypatch.setattr(torch.hub, "urlopen", lambda request: answer(buffer.getvalue()))
    with pytest.raises(LbtError, match=rf"cannot be downloaded \(\w+ {reason}"):
        student(LRASPP, "imagenet")
    assert not list(hub.iterdir())


def test_a_damaged_file_in_the_hubs_folder_is_named(hub):
    path = hub / IMAGENET[LRASPP]
    path.write_bytes(b"half")
    with pytest.raises(LbtError, match=rf"^{path}: cannot be read \(.+\)\. Delete it"):
        student(LRASPP, "imagenet")
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(LbtError, match=rf"^{path}: cannot be read \(it holds something other than tensors\)"):
        student(LRASPP, "imagenet")
    torch.save(coco(LRASPP), path)  # another file under this name
    with pytest.raises(LbtError, match=rf"^{path}: is not the student's .* lacks features"):
        student(LRASPP, "imagenet")


def test_the_student_is_changed_by_all_of_a_file_or_not_at_all(file, monkeypatch):
    """The last tensor is wrong; the ones before it must not have been taken."""
    state = network(LRASPP, C)
    last = list(state)[-1]
    built = []
    builder = getattr(segmentation, LRASPP)
    monkeypatch.setattr(segmentation, LRASPP, lambda **options: built.append(builder(**options)) or built[-1])
    with pytest.raises(LbtError, match="NaN"):
        student(LRASPP, file(state | {last: torch.full_like(state[last], torch.nan)}))
    drawn = student(LRASPP, "none")
    assert all(torch.equal(value, drawn[key]) for key, value in built[0].state_dict().items())


def test_a_first_round_takes_the_weights_and_a_later_one_needs_no_file(tiny, file, tmp_path):
    classes, path = tiny.classes.names, file(network(LRASPP, tiny.classes.num_classes))
    chosen = tiny.settings.search.student.model_copy(update={"weights": str(path)})
    common = {
        "classes": classes,
        "space": tiny.settings.space,
        "search": tiny.settings.search.model_copy(update={"student": chosen}),
        "seed": 0,
        "method": load_method("lbt"),
        "device": torch.device("cpu"),
    }
    state = start_round(tiny.warmup, round=1, **common)
    first = state.partner.network
    check(first.state_dict(), student(LRASPP, "none"), network(LRASPP, len(classes)), set())
    with torch.no_grad():
        next(first.parameters()).zero_()
    save_round(tmp_path / "round.pt", state, identity_of(classes, tiny.settings.space, 0, "lbt", 1))
    path.unlink()
    later = start_round(tmp_path / "round.pt", round=2, **common).partner.network.state_dict()
    assert all(torch.equal(value, later[key]) for key, value in first.state_dict().items())
    with pytest.raises(LbtError, match="is missing"):
        start_round(tiny.warmup, round=1, **common)
