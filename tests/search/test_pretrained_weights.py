"""The student's first weights: which ones each kind of file gives, and which ones stay random."""

from inspect import signature

import pytest
import torch
from foreign_weights import (
    COCO,
    IMAGENET,
    LAST,
    LRASPP,
    MOBILE,
    MODELS,
    RESNET,
    C,
    build_student,
    check,
    classifier,
    coco,
    in_backbone,
    network,
    student,
)
from quick import quick_first
from torchvision.models import segmentation


@pytest.mark.parametrize("model", MODELS)
def test_imagenet_is_what_torchvision_gives_a_backbone_by_default(model):
    default = signature(getattr(segmentation, model)).parameters["weights_backbone"].default
    assert default.url.rpartition("/")[2] == IMAGENET[model]


@pytest.mark.parametrize("model", quick_first(1, MODELS))
@pytest.mark.parametrize("setting", ["imagenet", "file"])
def test_a_classifier_gives_the_backbone_and_the_rest_stays_random(model, setting, hub):
    torch.save(classifier(model), hub / IMAGENET[model])
    found = student(model, setting if setting == "imagenet" else hub / IMAGENET[model], seed=3)
    drawn, given = student(model, "none", seed=3), in_backbone(model, classifier(model))
    assert all(key.startswith("classifier.") for key in drawn.keys() - given.keys())
    check(found, drawn, given, drawn.keys() - given.keys())


@pytest.mark.parametrize("model", quick_first(1, MODELS))
@pytest.mark.parametrize("setting", ["coco", "file"])
def test_the_network_of_coco_gives_everything_but_its_class_layers(model, setting, hub):
    torch.save(coco(model), hub / COCO[model])
    found = student(model, setting if setting == "coco" else hub / COCO[model], seed=3)
    check(found, student(model, "none", seed=3), coco(model), LAST[model])


def test_coco_keeps_random_class_layers_even_for_21_classes(hub):
    torch.save(coco(MOBILE), hub / COCO[MOBILE])
    check(student(MOBILE, "coco", classes=21), student(MOBILE, "none", classes=21), coco(MOBILE), LAST[MOBILE])
    # a file with as many classes is loaded completely, whoever wrote it
    found = student(MOBILE, hub / COCO[MOBILE], classes=21)
    check(found, student(MOBILE, "none", classes=21), coco(MOBILE), set())


@pytest.mark.parametrize("model", quick_first(1, MODELS))
def test_a_network_with_as_many_classes_is_loaded_completely(model, weights_file):
    check(student(model, weights_file(network(model, C))), student(model, "none"), network(model, C), set())


def test_an_auxiliary_classifier_is_ignored(weights_file):
    state = network(MOBILE, C, aux_loss=True)
    check(student(MOBILE, weights_file(state)), student(MOBILE, "none"), state, set())


def test_a_saved_student_is_loaded_completely(weights_file):
    saved = student(LRASPP, "none", seed=1)
    found = build_student(LRASPP, weights_file(saved), seed=2)
    assert all(torch.equal(value, saved[key]) for key, value in found.state_dict().items())
    assert found.training and all(parameter.requires_grad for parameter in found.parameters())
    convolution = next(m for m in found.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3))
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)


def test_counters_of_batches_may_be_missing(weights_file):
    state = {key: value for key, value in classifier(RESNET).items() if not key.endswith("num_batches_tracked")}
    drawn, given = student(RESNET, "none"), in_backbone(RESNET, state)
    check(student(RESNET, weights_file(state)), drawn, given, drawn.keys() - given.keys())
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
