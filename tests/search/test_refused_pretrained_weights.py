"""The student's first weights: refused files, their messages, and that nothing half-done remains."""

import io
import os
import pickle

import pytest
import torch
from foreign_weights import COCO, IMAGENET, LRASPP, MOBILE, RESNET, C, classifier, coco, filled, network, student
from torchvision import models
from torchvision.models import segmentation

from lbt.errors import LbtError

REFUSED = {
    "other classes": (
        lambda: network(LRASPP, 4),
        "was trained on 4 classes, the data set has 5.*lraspp_mobilenet_v3_large-d234d4ea.pth",
    ),
    "other model": (
        lambda: coco(MOBILE),
        r"does not fit the student \(lraspp_mobilenet_v3_large\): it lacks classifier\.cbr\.0\.weight and \d+ more; it "
        r"has the unknown classifier\.0\.convs\.0\.0\.weight and \d+ more.*change search\.student\.model",
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
def test_weights_that_do_not_fit_are_refused_with_file_and_key(case, weights_file):
    make, message = REFUSED[case]
    path = weights_file(make())
    with pytest.raises(LbtError, match=rf"^{path}: .*{message}"):
        student(LRASPP, path)


@pytest.mark.parametrize("aux", [True, False])
def test_only_torchvisions_network_of_21_classes_is_taken_in_part(aux, weights_file):
    path = weights_file(network(MOBILE, 21, aux_loss=aux))
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


@pytest.mark.parametrize("name", ["pipe", "zeros"])
def test_a_pipe_or_device_is_not_read(name, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    with pytest.raises(LbtError, match=rf"{name}: cannot be read as weights \(.*it is not a regular file"):
        student(LRASPP, tmp_path / name)


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


class Response(io.BytesIO):
    """A server's response, which may break off."""

    breaks = False

    def info(self):
        return type("Header", (), {"get_all": lambda self, name: None})()

    def read(self, size=-1):
        data = super().read(size)
        if not data and self.breaks:
            raise ConnectionResetError("Connection reset by peer")
        return data


class Broken(Response):
    breaks = True


@pytest.mark.parametrize(
    ("response", "reason"), [(Broken, "Connection reset by peer"), (Response, "invalid hash value")]
)
def test_a_download_that_breaks_off_or_is_something_else_leaves_no_file(response, reason, hub, monkeypatch):
    buffer = io.BytesIO()
    torch.save(classifier(LRASPP), buffer)
    monkeypatch.setattr(torch.hub, "urlopen", lambda request: response(buffer.getvalue()))
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
    with pytest.raises(LbtError, match=rf"^{path}: does not fit the student .* lacks features"):
        student(LRASPP, "imagenet")


def test_the_student_is_changed_by_all_of_a_file_or_not_at_all(weights_file, monkeypatch):
    """The last tensor is wrong; those before it must not have been loaded."""
    state = network(LRASPP, C)
    last = list(state)[-1]
    built = []
    builder = getattr(segmentation, LRASPP)
    monkeypatch.setattr(segmentation, LRASPP, lambda **options: built.append(builder(**options)) or built[-1])
    with pytest.raises(LbtError, match="NaN"):
        student(LRASPP, weights_file(state | {last: torch.full_like(state[last], torch.nan)}))
    drawn = student(LRASPP, "none")
    assert all(torch.equal(value, drawn[key]) for key, value in built[0].state_dict().items())
