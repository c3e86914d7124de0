"""A baseline goes through the stages of a derived network: trained, scored, timed, packed, used."""

import csv
import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from stage_calls import call_stage
from torch.optim.swa_utils import AveragedModel

import lbt
from lbt.__main__ import main
from lbt.baselines import build_baseline
from lbt.config import RetrainSettings
from lbt.config.baselines import BASELINES
from lbt.data.classes import class_table
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import training_loader
from lbt.data.splits import training_samples
from lbt.errors import LbtError
from lbt.latency.current_key import current_key
from lbt.runtime.distributed import ALONE
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.seeding import derive_seed
from lbt.space.padding import upsample
from lbt.training.losses import ohem_cross_entropy


def train(name, tiny, folder):
    """A baseline after a short training, with its scores, its profile and its packed file, in `folder`."""
    settings = tiny.settings.model_copy(update={"baselines": (name,)})
    call_stage(
        "retrain", settings, method=name, split=tiny.split, class_pixels=tiny.class_pixels,
        network=folder / "network.pt", metrics=folder / "metrics.csv",
    )  # fmt: skip
    outputs = {key: folder / key for key in ("scores", "images", "pictures", "predictions")}
    call_stage("evaluate_network", settings, method=name, split=tiny.split, network=folder / "network.pt", **outputs)
    table = own_table(tiny.table, folder / "table.csv", settings)
    call_stage("profile", settings, method=name, table=table, profile=folder / "profile.json")
    call_stage(
        "pack", settings, method=name, settings_digest="abc", network=folder / "network.pt",
        scores=outputs["scores"], profile=folder / "profile.json", packed=folder / "packed.pt",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def fast_scnn(tiny, tmp_path_factory):
    return train("fast_scnn", tiny, tmp_path_factory.mktemp("fast_scnn"))


@pytest.fixture(scope="module", params=BASELINES)
def trained(request, tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return SimpleNamespace(name=request.param, folder=train(request.param, tiny, folder))


def own_table(path, target, settings):
    """The invented latency table with this device and software in its key."""
    key = current_key(settings.latency, 1, torch.device("cpu"), class_table(settings.data).num_classes)
    with open(path, encoding="utf-8", newline="") as file:
        write_metrics(target, [row | asdict(key) for row in csv.DictReader(file)])
    return target


def test_the_profile_has_size_and_time_and_no_prediction(trained):
    profile = json.loads((trained.folder / "profile.json").read_text())
    network = build_baseline(trained.name, 6, 2)
    training_only = sum(p.numel() for p in network.auxiliary.parameters())
    assert profile["parameters"] == sum(p.numel() for p in network.parameters()) - training_only
    assert profile["median_ms"] > 0 and profile["macs"] > 0
    assert profile["predicted_ms"] is None and profile["parts_ms"] is None


def test_the_packed_file_is_a_network_for_use(trained, tmp_path, capsys):
    network = lbt.load_network(trained.folder / "packed.pt")
    assert network.method == trained.name and network.genotype is None and network.settings_digest == "abc"
    assert f"nobody: {trained.name} was not searched" in str(network) and BASELINES[trained.name].title in str(network)
    scores = json.loads((trained.folder / "scores").read_text())
    assert network.scores["miou"] == scores["miou"] and network.profile["macs"] > 0
    plain = lbt.load_network(trained.folder / "packed.pt", trainable=True)
    images = torch.randint(0, 256, (1, 3, 61, 97), dtype=torch.uint8)
    torch.testing.assert_close(network.logits(images), plain.logits(images), rtol=1e-3, atol=1e-3)
    photo = tmp_path / "photo.png"
    Image.fromarray(images[0].permute(1, 2, 0).numpy()).save(photo)
    words = ("predict", trained.folder / "packed.pt", photo, "--output", tmp_path / "out", "--device", "cpu")
    assert main(list(map(str, words))) == 0
    labels = np.asarray(Image.open(tmp_path / "out" / "labels" / "photo.png"))
    assert np.array_equal(labels, network(images)[0].numpy())
    capsys.readouterr()
    assert main(["export", str(trained.folder / "packed.pt"), str(tmp_path / "network.onnx"), "--dynamic"]) == 0
    assert (tmp_path / "network.onnx").exists()


def test_its_training_is_that_of_the_settings(tiny, tmp_path):
    """The same weights as from a loop without a choice in it: the recipe `released`, as methods have it."""
    settings = tiny.settings.model_copy(
        update={"retrain": RetrainSettings(recipe="released", epochs=1.0, batch_size=4), "baselines": ("fast_scnn",)}
    )
    files = {"network": tmp_path / "network.pt", "metrics": tmp_path / "metrics.csv"}
    call_stage("retrain", settings, method="fast_scnn", seed=3, split=tiny.split, **files)
    torch.manual_seed(derive_seed(3, "network"))
    network = build_baseline("fast_scnn", tiny.classes.num_classes, settings.space.base_width).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    batches = training_loader(
        SegmentationDataset(training_samples(tiny.split), settings.data, tiny.classes),
        data=settings.data,
        augmentation=settings.augmentation,
        crop=settings.augmentation.crop,
        batch_size=4,
        seed=derive_seed(3, "retrain"),
        steps=4,
    )
    for step, (images, labels) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 4) ** 0.9
        main, *others = (ohem_cross_entropy(upsample(x, (64, 64)), labels, ALONE) for x in network.heads(images))
        loss = main
        for part in others:
            loss = loss + 0.4 * part
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()
    saved = torch.load(files["network"], weights_only=True)["network"]
    for name, value in network.state_dict().items():
        torch.testing.assert_close(saved[name], value, rtol=1e-6, atol=1e-8)  # the fused optimiser rounds differently


def test_the_average_of_weights_is_taken_of_a_baseline_too(tiny, tmp_path, monkeypatch):
    averaged, update = [], AveragedModel.update_parameters
    monkeypatch.setattr(
        AveragedModel, "update_parameters", lambda self, model: averaged.append(model) or update(self, model)
    )
    files = {"network": tmp_path / "network.pt", "metrics": tmp_path / "metrics.csv"}
    call_stage("retrain", tiny.settings, method="fast_scnn", split=tiny.split, class_pixels=tiny.class_pixels, **files)
    assert len(averaged) == 4


@pytest.mark.parametrize(("method", "given"), [("fast_scnn", True), ("lbt", False)])
def test_a_genotype_that_does_not_fit_the_method_is_refused(tiny, tmp_path, method, given):
    with pytest.raises(LbtError, match=f"method is {method}, but .* genotype = "):
        call_stage(
            "retrain", tiny.settings, method=method, split=tiny.split, class_pixels=tiny.class_pixels,
            genotype=tmp_path / "genotype.json" if given else None,
            network=tmp_path / "network.pt", metrics=tmp_path / "metrics.csv",
        )  # fmt: skip


def test_weights_of_a_supernet_are_refused(tiny, tmp_path):
    settings = tiny.settings.model_copy(
        update={"retrain": tiny.settings.retrain.model_copy(update={"initial": "supernet"})}
    )
    with pytest.raises(LbtError, match="and not to a baseline"):
        call_stage(
            "retrain", settings, method="fast_scnn", split=tiny.split, class_pixels=tiny.class_pixels,
            supernet=tiny.warmup, network=tmp_path / "network.pt", metrics=tmp_path / "metrics.csv",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "also_method", "words"),
    [
        ("enet", False, "baseline: 'enet' of fast_scnn, but there are deeplabv3_mobilenetv3, fast_scnn"),
        ("enet", True, "baseline: 'enet' of enet, but there are deeplabv3_mobilenetv3, fast_scnn"),
        ("lraspp_mobilenetv3", False, "baseline: 'lraspp_mobilenetv3' of fast_scnn"),
        ("lraspp_mobilenetv3", True, "lacks backbone.0.0.weight"),
        ("../fast_scnn", True, "method: "),
        (7, False, "baseline: 7 of fast_scnn"),
        (7, True, "method: "),
        (None, False, "baseline: None of fast_scnn"),
    ],
)
def test_a_file_of_another_baseline_is_refused_in_one_message(fast_scnn, tmp_path, capsys, value, also_method, words):
    """A stranger's file may name what it likes: nothing else than a baseline is imported by that name."""
    content = torch.load(fast_scnn / "packed.pt", weights_only=True)
    content["baseline"] = value
    if also_method:
        content["identity"]["method"] = value
    torch.save(content, tmp_path / "network.pt")
    assert main(["predict", str(tmp_path / "network.pt"), str(tmp_path / "photo.png")]) == 1
    error = capsys.readouterr().err
    assert error.count("network.pt: is not a network that this version of lbt can read") == 1
    assert words in error
