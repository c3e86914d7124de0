"""The file of a finished network: its content, its use, and the files that are refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from random_network import CLASSES, SPACE, USE, random_network, write_network
from stage_calls import call_stage

import lbt
from lbt.config import Settings
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.files import digest, write_json
from lbt.inference import segmentation_network
from lbt.inference.network_file import load_trained, save_network
from lbt.inference.pack import name_data
from lbt.runtime.checkpoint import save_checkpoint
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import job_settings


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("network") / "network.pt")


def picture(height, width, seed=0):
    """Smooth noise (H, W, 3) uint8."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).cumsum(0).cumsum(1)
    low, high = noise.min(), noise.max()
    return ((noise - low) / (high - low) * 255).astype(np.uint8)


def test_a_folder_is_not_a_network_and_not_to_be_deleted(path):
    with pytest.raises(LbtError, match=r": is a folder\. Name a network file that a stage of lbt made\.$"):
        lbt.load_network(path.parent)


def test_the_help_in_python_shows_an_example():
    text = lbt.SegmentationNetwork.__doc__
    assert "```" not in text and '    network = lbt.load_network("results/' in text


def test_a_network_is_read_back_as_it_was_written(path):
    network = lbt.load_network(path, trainable=True)
    assert network.classes == tuple(CLASSES) and network.colors == tuple(CLASSES.values())
    assert (network.mean, network.std) == ((0.4, 0.5, 0.3), (0.2, 0.3, 0.25))
    assert network.input_size == (70, 99) and network.settings_digest == USE["settings_digest"]
    assert network.scores == USE["scores"] and network.profile == USE["profile"]
    assert (network.method, network.seed, network.space) == ("lbt", 0, SPACE)
    original = random_network()
    assert network.genotype == original.genotype
    saved = original.state_dict()
    assert all(torch.equal(saved[name], value) for name, value in network.network.state_dict().items())
    assert not network.training and not any(name.startswith("auxiliary") for name in network.network.state_dict())


def test_the_file_holds_plain_values_and_tensors_only(path):
    content = torch.load(path, weights_only=True)
    assert content["identity"]["classes"] == list(CLASSES)
    json.dumps({name: value for name, value in content.items() if name != "network"})
    assert all(isinstance(value, torch.Tensor) for value in content["network"].values())


def test_labels_are_those_of_the_normalised_image(path):
    network, pixels = lbt.load_network(path), picture(45, 71)
    mean, std = (np.array(values, np.float32) for values in (network.mean, network.std))
    images = torch.from_numpy((pixels / np.float32(255) - mean) / std).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = random_network()(images)
    torch.testing.assert_close(
        network.logits(torch.from_numpy(pixels).permute(2, 0, 1)[None]), logits, rtol=1e-4, atol=1e-4
    )
    found = network(pixels)
    assert found.shape == (45, 71) and found.dtype == torch.int64
    assert (found == logits[0].argmax(dim=0)).float().mean() > 0.999
    assert len(found.unique()) > 2  # a constant prediction would prove nothing


def test_a_network_loads_in_its_folded_form_with_equal_labels(path):
    folded, trainable = lbt.load_network(path), lbt.load_network(path, trainable=True)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in trainable.modules())
    images = torch.from_numpy(picture(45, 71)).permute(2, 0, 1)[None]
    expected, found = trainable.logits(images), folded.logits(images)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert torch.equal(folded(images), trainable(images))
    assert folded.scores == trainable.scores and folded.genotype == trainable.genotype


def test_the_fast_form_computes_in_bfloat16_where_the_device_has_it(path, monkeypatch):
    network, pixels = lbt.load_network(path), picture(96, 160)
    monkeypatch.setattr(segmentation_network, "has_bfloat16", lambda device: False)
    assert network.fast() is network
    monkeypatch.setattr(segmentation_network, "has_bfloat16", lambda device: True)
    fast = network.fast()
    assert {p.dtype for p in fast.network.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in network.network.parameters()} == {torch.float32}
    labels = fast(pixels)
    assert labels.shape == (96, 160) and labels.dtype == torch.int64
    assert 0.95 < (labels == network(pixels)).float().mean() < 1
    assert fast.logits(torch.from_numpy(pixels).permute(2, 0, 1)[None]).dtype == torch.float32


def test_every_kind_of_image_gives_the_same_labels(path, tmp_path):
    network, pixels = lbt.load_network(path), picture(33, 50)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    expected = network(pixels)
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(pixels), tensor, tensor / 255):
        assert torch.equal(network(image), expected)
    assert torch.equal(network(pixels[:, ::-1]), network(pixels[:, ::-1].copy()))  # a view with a negative stride
    other = torch.from_numpy(picture(33, 50, seed=1)).permute(2, 0, 1)
    batch = network(torch.stack([tensor, other]))
    assert batch.shape == (2, 33, 50) and torch.equal(batch[1], network(other))
    for dtype in (np.float16, np.float32, np.float64, np.longdouble, ">f4"):
        floats = (pixels / np.float64(255)).astype(dtype)
        assert (network(floats) == expected).float().mean() > (0.99 if dtype == np.float16 else 0.9999)
    assert torch.equal(network.palette[expected], torch.tensor(list(CLASSES.values()), dtype=torch.uint8)[expected])


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (31, 7), (32, 32), (9, 16)])
def test_any_size_works(path, size):
    assert lbt.load_network(path)(picture(*size)).shape == size


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
def test_images_of_another_shape_or_format_are_refused(path, image, message):
    with pytest.raises(ValueError, match=message):
        lbt.load_network(path)(image)


def test_other_objects_and_large_files_are_refused(path, tmp_path):
    network = lbt.load_network(path)
    for other in ([[0, 0, 0]], None, b"a.png", 7):
        with pytest.raises(
            TypeError, match=rf"a {type(other).__name__}, but a file, a Pillow image, an array or a tensor"
        ):
            network(other)
    Image.new("RGB", (9, 7)).save(tmp_path / "a.png")
    network.max_pixels = 62
    with pytest.raises(LbtError, match=r"a\.png: is 9 x 7 pixels .* above the limit network\.max_pixels = 62"):
        network(tmp_path / "a.png")
    network.max_pixels = 63
    assert network(tmp_path / "a.png").shape == (7, 9)


def test_loading_needs_no_code_of_the_search(path, tmp_path):
    image = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(image)
    program = f"""
import sys
from pathlib import Path
import lbt
assert "torch" not in sys.modules and "pydantic" not in sys.modules
network = lbt.load_network({str(path)!r})
assert network({str(image)!r}).shape == (8, 8)
print(*sys.modules)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in found if name.split(".")[0] == "lbt"}
    assert not {name for name in ours if name.startswith("lbt.search")}
    assert not {
        name for name in ours if name.startswith(("lbt.views", "lbt.evaluation", "lbt.latency", "lbt.training.retrain"))
    }
    assert "lbt.data.dataset" not in ours and "lbt.space.supernet" not in ours
    assert not {"snakemake", "torchvision", "h5py", "pandas", "torchmetrics", "matplotlib"} & set(found)


def truncated(path, folder):
    (folder / "bad.pt").write_bytes(path.read_bytes()[:-1000])


def text(path, folder):
    (folder / "bad.pt").write_text("not a network")


def another_kind(path, folder):
    save_checkpoint(folder / "bad.pt", kind="supernet", identity={}, state={})


def foreign(path, folder):
    torch.save(torch.nn.Linear(2, 2).state_dict(), folder / "bad.pt")


def absent(path, folder):
    pass


def changed(**items):
    def change(path, folder):
        torch.save(torch.load(path, weights_only=True) | items, folder / "bad.pt")

    return change


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (truncated, "is damaged or no PyTorch file"),
        (text, "is damaged or no PyTorch file"),
        (another_kind, "holds a supernet, a network is needed"),
        (foreign, "was not written by lbt"),
        (absent, "is missing"),
        (changed(schema_version=99), "schema version 99"),
        (changed(network={}), "is not a network that this version of lbt can read"),
        (changed(genotype={"branches": []}), "branches"),
        (changed(identity={"classes": list(CLASSES), "space": "an old digest"}), "is not a network that this version"),
        (changed(identity={}), "is not a network that this version"),
    ],
)
def test_other_files_are_refused(path, tmp_path, spoil, message):
    spoil(path, tmp_path)
    with pytest.raises(LbtError, match=rf"bad\.pt: .*{message}"):
        lbt.load_network(tmp_path / "bad.pt")


def test_a_stage_refuses_a_network_of_other_settings(path):
    assert load_trained(path, tuple(CLASSES), SPACE).classes == tuple(CLASSES)
    with pytest.raises(LbtError, match="was made with classes"):
        load_trained(path, ("road", "car"), SPACE)
    with pytest.raises(LbtError, match="was made with space"):
        load_trained(path, tuple(CLASSES), SPACE.model_copy(update={"stem_twelfths": 4}))


def test_the_finished_file_has_scores_profile_size_and_the_digest_of_the_manifest(tmp_path):
    settings = Settings().model_copy(update={"space": SPACE})
    table = class_table(settings.data)
    save_network(
        tmp_path / "network.pt",
        random_network(classes=table.num_classes),
        space=SPACE,
        classes=table.names,
        colors=table.colors,
        mean=settings.data.mean,
        std=settings.data.std,
        method="lpt",
        seed=3,
    )
    unfinished = lbt.load_network(tmp_path / "network.pt")
    assert unfinished.scores is unfinished.profile is unfinished.input_size is unfinished.settings_digest is None
    scores = {**USE["scores"], "bfloat16": {"equal_labels": 0.99}, "confusion": [[1]]}
    write_json(tmp_path / "network.json", scores)
    write_json(tmp_path / "profile.json", USE["profile"])
    seen = job_settings(settings, "pack", {"seed": 3, "method": "lpt"}, tracked=True)
    call_stage(
        "pack",
        settings,
        seed=3,
        method="lpt",
        settings_digest=digest(seen),
        network=tmp_path / "network.pt",
        scores=tmp_path / "network.json",
        profile=tmp_path / "profile.json",
        packed=tmp_path / "finished.pt",
    )
    finished = lbt.load_network(tmp_path / "finished.pt")
    assert finished.settings_digest == digest(seen)
    assert finished.scores == {**USE["scores"], "bfloat16": {"equal_labels": 0.99}}
    assert finished.profile == USE["profile"]
    assert finished.input_size == settings.latency.input_size
    assert (unfinished.trained_on, finished.trained_on) == (None, Path(settings.data.root).name)
    assert (finished.classes, finished.colors, finished.method, finished.seed) == (table.names, table.colors, "lpt", 3)
    before = unfinished.network.state_dict()
    assert before.keys() == finished.network.state_dict().keys()
    assert all(torch.equal(before[name], value) for name, value in finished.network.state_dict().items())
    # all sections that lead to a network, and none that only shows it
    packed = set(STAGES["pack"].settings.model_fields)
    assert set(Settings.model_fields) - packed == {"run", "seeds", "methods", "baselines", "scenes", "tabular"}


@pytest.mark.parametrize(
    ("root", "name"),
    [("/data/my camera", "my camera"), ("/", None), ("/data/a\x1b[2Jb", r"a\x1b[2Jb"), ("/data/ ", None)],
)
def test_a_data_set_is_called_by_its_folder(root, name):
    assert name_data(root) == name
