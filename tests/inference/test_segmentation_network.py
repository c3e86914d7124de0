"""A loaded network: the labels of any image, its fast form, and the images that are refused."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from predicting import picture
from random_network import CLASSES, random_network

import lbt
from lbt.errors import LbtError
from lbt.inference import segmentation_network


def test_the_help_in_python_shows_an_example():
    text = lbt.SegmentationNetwork.__doc__
    assert "```" not in text and '    network = lbt.load_network("results/' in text


def test_labels_are_those_of_the_normalised_image(network):
    loaded, pixels = lbt.load_network(network), picture(45, 71)
    mean, std = (np.array(values, np.float32) for values in (loaded.mean, loaded.std))
    images = torch.from_numpy((pixels / np.float32(255) - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = random_network()(images)
    torch.testing.assert_close(
        loaded.logits(torch.from_numpy(pixels).permute(2, 0, 1)[None]), logits, rtol=1e-4, atol=1e-4
    )
    found = loaded(pixels)
    assert found.shape == (45, 71) and found.dtype == torch.int64
    assert (found == logits[0].argmax(dim=0)).float().mean() > 0.999
    assert len(found.unique()) > 2  # a constant prediction would prove nothing


def test_the_fast_form_computes_in_bfloat16_where_the_device_has_it(network, monkeypatch):
    loaded, pixels = lbt.load_network(network), picture(96, 160)
    monkeypatch.setattr(segmentation_network, "has_bfloat16", lambda device: False)
    assert loaded.fast() is loaded
    monkeypatch.setattr(segmentation_network, "has_bfloat16", lambda device: True)
    fast = loaded.fast()
    assert {p.dtype for p in fast.network.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in loaded.network.parameters()} == {torch.float32}
    labels = fast(pixels)
    assert labels.shape == (96, 160) and labels.dtype == torch.int64
    assert 0.95 < (labels == loaded(pixels)).float().mean() < 1
    assert fast.logits(torch.from_numpy(pixels).permute(2, 0, 1)[None]).dtype == torch.float32


def test_every_kind_of_image_gives_the_same_labels(network, tmp_path):
    loaded, pixels = lbt.load_network(network), picture(33, 50)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    expected = loaded(pixels)
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(pixels), tensor, tensor / 255):
        assert torch.equal(loaded(image), expected)
    assert torch.equal(loaded(pixels[:, ::-1]), loaded(pixels[:, ::-1].copy()))  # a view with a negative stride
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(loaded(np.asarray(Image.fromarray(pixels))), expected)  # an array that cannot be written
    other = torch.from_numpy(picture(33, 50, seed=1)).permute(2, 0, 1)
    batch = loaded(torch.stack([tensor, other]))
    assert batch.shape == (2, 33, 50) and torch.equal(batch[1], loaded(other))
    for dtype in (np.float16, np.float32, np.float64, np.longdouble, ">f4"):
        floats = (pixels / np.float64(255)).astype(dtype)
        assert (loaded(floats) == expected).float().mean() > (0.99 if dtype == np.float16 else 0.9999)
    assert torch.equal(loaded.palette[expected], torch.tensor(list(CLASSES.values()), dtype=torch.uint8)[expected])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (31, 7), (32, 32), (9, 16)])
def test_any_size_works(network, size):
    assert lbt.load_network(network)(picture(*size)).shape == size


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"\(H, W, 3\) is needed"),
        (np.zeros((4, 4, 4), np.uint8), r"\(H, W, 3\) is needed"),
        (np.zeros((3, 4, 4), np.float32), r"\(H, W, 3\) is needed"),
        (np.zeros((0, 4, 3), np.uint8), "at least one pixel is needed"),
        (torch.zeros(0, 3, 4, 4), "at least one pixel is needed"),
        (np.zeros((4, 4, 3), bool), "type bool, uint8 or floats"),
        (np.zeros((4, 4, 3), np.uint16), "type uint16, uint8 or floats"),
        (np.zeros((4, 4, 3), object), "type object, uint8 or floats"),
        (np.full((4, 4, 3), 255, np.float32), r"floats from 255 to 255, floats in \[0, 1\] are needed: divide"),
        (np.full((4, 4, 3), 1.01), "floats from 1.01 to 1.01"),
        (np.full((4, 4, 3), -0.01, np.float16), "floats from -0.01"),
        (torch.full((2, 3, 4, 4), float("nan")), "floats from nan to nan"),
        (torch.tensor([0.5, 0.5, float("inf")])[:, None, None], "floats from 0.5 to inf"),
        (torch.zeros(3, 4, 4, dtype=torch.complex64), "uint8 or floats"),
        (Image.new("F", (4, 4)), "8 bits a channel"),
        (torch.zeros(4, 4, 3), r"\(3, H, W\)"),
        (torch.zeros(3, 4, 4, dtype=torch.int32), "uint8 or floats"),
        (Image.new("I;16", (4, 4)), "8 bits a channel"),
    ],
)
def test_images_of_another_shape_or_format_are_refused(network, image, message):
    with pytest.raises(ValueError, match=message):
        lbt.load_network(network)(image)


def test_other_objects_and_large_files_are_refused(network, tmp_path):
    loaded = lbt.load_network(network)
    for other in ([[0, 0, 0]], None, b"a.png", 7):
        with pytest.raises(
            TypeError, match=rf"a {type(other).__name__}, but a file, a Pillow image, an array or a tensor"
        ):
            loaded(other)
    Image.new("RGB", (9, 7)).save(tmp_path / "a.png")
    loaded.max_pixels = 62
    with pytest.raises(LbtError, match=r"a\.png: is 9 x 7 pixels .* above the limit network\.max_pixels = 62"):
        loaded(tmp_path / "a.png")
    loaded.max_pixels = 63
    assert loaded(tmp_path / "a.png").shape == (7, 9)
