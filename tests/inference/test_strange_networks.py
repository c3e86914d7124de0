"""A stranger's network ends in one message or segments as it says; it hangs nothing and touches nothing else."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import nested
from PIL import Image
from random_network import CLASSES, write_network
from strange_networks import labels_of, predict
from watched_cases import check_cases, run_cases

import lbt
from lbt.errors import LbtError
from lbt.runtime.checkpoint import save_checkpoint

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with `network.pt`, `photo.png` and the labels that the network gives it."""
    folder = tmp_path_factory.mktemp("networks")
    write_network(folder / "network.pt")
    noise = np.random.default_rng(0).normal(size=(40, 60, 3)).cumsum(0).cumsum(1)
    Image.fromarray(((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)).save(folder / "photo.png")
    (folder / "intact").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "intact")
        assert predict(folder / "network.pt", folder / "intact")[0] == 0
    Image.fromarray(labels_of(folder / "intact")).save(folder / "labels.png")
    return folder


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.exhaustive)])
def test_a_spoiled_network_ends_in_a_message_or_is_used(place, count):
    found = run_cases("strange_networks:case", count, place, modules=(str(HERE),))
    check_cases(found, count, {"refused", "used"})
    assert sum(run["outcome"] == "refused" for run in found) > count / 2


def changed(place, path, **items):
    """A network file with other items; a dotted name such as `identity__classes` stands for an item in another."""
    content = torch.load(place / "network.pt", weights_only=True)
    for name, value in items.items():
        *outer, last = name.split("__")
        inner = content
        for key in outer:
            inner = inner[key]
        inner[last] = value(inner[last]) if callable(value) else value
    sys.setrecursionlimit(20_000)  # for deep lists
    torch.save(content, path)
    sys.setrecursionlimit(1_000)
    return path


NAN = float("nan")
COLORS = [list(color) for color in CLASSES.values()]
FACTS = {
    "NaN mean": ({"identity__mean": [NAN, 0.5, 0.5]}, "mean"),
    "mean of 0 to 255": ({"identity__mean": [123.0, 116.0, 104.0]}, "mean"),
    "std of 0": ({"identity__std": [0.2, 0.0, 0.2]}, "std"),
    "negative std": ({"identity__std": [0.2, -0.2, 0.2]}, "std"),
    "two std": ({"identity__std": [0.2, 0.2]}, "std"),
    "infinite std": ({"identity__std": [0.2, float("inf"), 0.2]}, "std"),
    "class 7": ({"identity__classes": ["a", "b", "c", "d", 7]}, "classes.4"),
    "class None": ({"identity__classes": ["a", "b", "c", "d", None]}, "classes.4"),
    "class twice": ({"identity__classes": ["a", "b", "c", "d", "a"]}, "same name"),
    "blank class": ({"identity__classes": ["a", "b", "c", "d", " "]}, "blank"),
    "line break in a class": ({"identity__classes": ["a", "b", "c", "d", "e\n"]}, "line break"),
    "half a character": ({"identity__classes": ["a", "b", "c", "d", "\ud800"]}, "surrogates not allowed"),
    "long class": ({"identity__classes": ["a", "b", "c", "d", "e" * 200_000]}, "200000 characters, at most"),
    "300 classes": ({"identity__classes": [str(i) for i in range(300)]}, "255"),
    "too few colours": ({"identity__colors": COLORS[:3]}, "5 classes and 3 colours"),
    "negative colour": ({"identity__colors": [[-1, 0, 0], *COLORS[1:]]}, "colors.0"),
    "fraction as colour": ({"identity__colors": [[0.5, 0, 0], *COLORS[1:]]}, "colors.0"),
    "four channels": ({"identity__colors": [[1, 2, 3, 4], *COLORS[1:]]}, "colors.0"),
    "method with a path": ({"identity__method": "../x"}, "method"),
    "seed as text": ({"identity__seed": "0"}, "seed"),
    "input size as text": ({"input_size": "ab"}, "input_size"),
    "input size of fractions": ({"input_size": [64.5, 64]}, "input_size"),
    "three numbers": ({"input_size": [64, 64, 64]}, "input_size"),
    "huge input size": ({"input_size": [10**6, 10**6]}, "input_size"),
    "nested input size": ({"input_size": [[64], 64]}, "input_size"),
    "data set as a number": ({"trained_on": 7}, "trained_on"),
    "escape in the data set": ({"trained_on": "a\x1b[2J"}, "control character"),
    "long data set": ({"trained_on": "a" * 101}, "trained_on"),
    "NaN score": ({"scores": {"miou": NAN}}, "JSON"),
    "tensor as score": ({"scores": {"miou": torch.ones(1)}}, "Tensor"),
    "deep scores": ({"scores": nested(5000, dict)}, ""),
    "kind as list": ({"kind": [1]}, "does not say what it holds"),
    "kind with escape": ({"kind": "\x1b]0;owned\x07"}, r"holds a \x1b]0;owned\x07"),
    "schema as dict": ({"schema_version": {}}, "schema version"),
    "identity as list": ({"identity": []}, "was not written by lbt"),
    "network as list": ({"network": []}, "not tensors by name"),
    "network as None": ({"network": None}, "not tensors by name"),
    "numbers as names": ({"network": lambda w: dict(enumerate(w.values()))}, "has the unknown 0"),
    "wide space": ({"identity__space__base_width": 100_000}, "base_width"),
    "wider than the weights": ({"identity__space__base_width": 100}, "is needed"),
    "deep space": ({"identity__space__layers": 10**9}, "layers"),
    "no genotype": ({"genotype": None}, "genotype|branches|object"),
    "deep genotype": ({"genotype": nested(400, list)}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_that_no_settings_lead_to_is_named(place, tmp_path, name):
    items, message = FACTS[name]
    path = changed(place, tmp_path / "bad.pt", **items)
    with pytest.raises(LbtError) as raised:
        lbt.load_network(path)
    text = str(raised.value)
    assert any(part in text for part in message.split("|")) and text.startswith(f"{path}: ")
    assert len(text) < 1000 and "\n" not in text and "\x1b" not in text


NAME = "stem.0.conv.weight"


def one(change):
    """A change of the first weight of each kind that it fits."""

    def apply(weights):
        name = next(name for name in weights if name.endswith(("running_var", "weight")) and weights[name].ndim)
        return weights | {name: change(weights[name])}

    return apply


def variance(weights):
    name = next(name for name in weights if name.endswith("running_var"))
    return weights | {name: -weights[name] - 1}


WEIGHTS = {
    "NaN": (one(lambda w: w * NAN), "NaN or infinity"),
    "complex": (one(lambda w: w.to(torch.complex64)), "float32|ComplexFloatStorage"),
    "integers": (one(lambda w: w.to(torch.int64)), "float32"),
    "float64": (one(lambda w: w.double()), "DoubleStorage"),
    "sparse": (one(lambda w: w.to_sparse()), "sparse"),
    "meta": (one(lambda w: w.to("meta")), "meta"),
    "claims": (one(lambda w: torch.zeros(1).expand(w.shape)), "claim more values than it holds"),
    "4 TB": (one(lambda w: torch.zeros(1).expand(10**12)), "is needed"),
    "negative variance": (variance, "negative variance"),
    "numbers": (one(lambda w: 7), "not tensors by name"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_no_training_leaves_are_named(place, tmp_path, name):
    change, message = WEIGHTS[name]
    path = changed(place, tmp_path / "bad.pt", network=lambda weights: change(dict(weights)))
    with pytest.raises(LbtError) as raised:
        lbt.load_network(path)
    assert any(part in str(raised.value) for part in message.split("|")), str(raised.value)


def test_names_without_end_are_refused_before_they_are_made(tmp_path):
    many: object = ["road"]
    for _ in range(60):
        many = [many, many]
    save_checkpoint(tmp_path / "bad.pt", kind="network", identity={"classes": many}, state={})
    with pytest.raises(LbtError, match="repeat each other"):
        lbt.load_network(tmp_path / "bad.pt")
    names = [str(number) for number in range(300_000)]
    save_checkpoint(tmp_path / "bad.pt", kind="network", identity={"classes": names}, state={})
    with pytest.raises(LbtError, match="bytes of names and plain values"):
        lbt.load_network(tmp_path / "bad.pt")


def test_other_things_of_python_are_refused_before_they_are_made(tmp_path):
    save_checkpoint(tmp_path / "bad.pt", kind="network", identity={"classes": bytearray(10)}, state={})
    with pytest.raises(LbtError, match="it holds __builtin__ bytearray, tensors and plain values are needed"):
        lbt.load_network(tmp_path / "bad.pt")
