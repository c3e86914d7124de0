"""The file of a finished network: its content, how it is loaded, and the files that are refused."""

import json
import subprocess
import sys

import pytest
import torch
from PIL import Image
from predicting import picture
from random_network import CLASSES, SPACE, USE, random_network

import lbt
from lbt.errors import LbtError
from lbt.inference.network_file import load_trained
from lbt.runtime.checkpoint import save_checkpoint


def test_a_folder_is_not_a_network_and_not_to_be_deleted(network):
    with pytest.raises(LbtError, match=r": is a folder\. Name a network file that a stage of lbt made\.$"):
        lbt.load_network(network.parent)


def test_a_network_is_read_back_as_it_was_written(network):
    loaded = lbt.load_network(network, trainable=True)
    assert loaded.classes == tuple(CLASSES) and loaded.colors == tuple(CLASSES.values())
    assert (loaded.mean, loaded.std) == ((0.4, 0.5, 0.3), (0.2, 0.3, 0.25))
    assert loaded.input_size == (70, 99) and loaded.settings_digest == USE["settings_digest"]
    assert loaded.scores == USE["scores"] and loaded.profile == USE["profile"]
    assert (loaded.method, loaded.seed, loaded.space) == ("lbt", 0, SPACE)
    original = random_network()
    assert loaded.genotype == original.genotype
    saved = original.state_dict()
    assert all(torch.equal(saved[name], value) for name, value in loaded.network.state_dict().items())
    assert not loaded.training and not any(name.startswith("auxiliary") for name in loaded.network.state_dict())


def test_the_file_holds_plain_values_and_tensors_only(network):
    content = torch.load(network, weights_only=True)
    assert content["identity"]["classes"] == list(CLASSES)
    json.dumps({name: value for name, value in content.items() if name != "network"})
    assert all(isinstance(value, torch.Tensor) for value in content["network"].values())


def test_a_network_loads_in_its_folded_form_with_equal_labels(network):
    folded, trainable = lbt.load_network(network), lbt.load_network(network, trainable=True)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in trainable.modules())
    images = torch.from_numpy(picture(45, 71)).permute(2, 0, 1)[None]
    expected, found = trainable.logits(images), folded.logits(images)
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert torch.equal(folded(images), trainable(images))
    assert folded.scores == trainable.scores and folded.genotype == trainable.genotype


def test_loading_needs_no_code_of_the_search(network, tmp_path):
    image = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(image)
    program = f"""
import sys
from pathlib import Path
import lbt
assert "torch" not in sys.modules and "pydantic" not in sys.modules
network = lbt.load_network({str(network)!r})
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
def test_other_files_are_refused(network, tmp_path, spoil, message):
    spoil(network, tmp_path)
    with pytest.raises(LbtError, match=rf"bad\.pt: .*{message}"):
        lbt.load_network(tmp_path / "bad.pt")


def test_a_stage_refuses_a_network_of_other_settings(network):
    assert load_trained(network, tuple(CLASSES), SPACE).classes == tuple(CLASSES)
    with pytest.raises(LbtError, match="was made with classes"):
        load_trained(network, ("road", "car"), SPACE)
    with pytest.raises(LbtError, match="was made with space"):
        load_trained(network, tuple(CLASSES), SPACE.model_copy(update={"stem_twelfths": 4}))
