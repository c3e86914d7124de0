"""Scores of networks in use equal those of the stage, and those of files in 16 and 8 bits are printed."""

import shutil

import pytest
import torch
import yaml
from random_network import random_network, write_network_of
from stage_calls import call_stage

import lbt
from lbt.__main__ import main
from lbt.config.unread import select_read
from lbt.errors import LbtError
from lbt.evaluation import network as stage
from lbt.evaluation.both_precisions import BothPrecisions
from lbt.evaluation.segmenter_scores import score_segmenter
from lbt.files import read_json
from lbt.space.padding import upsample


@pytest.fixture
def run(tiny, tmp_path):
    """The folder of a run with settings, split and a network."""
    folder = tmp_path / "run"
    (folder / "data").mkdir(parents=True)
    (folder / "settings.yaml").write_text(yaml.safe_dump(select_read(tiny.settings)))
    shutil.copy(tiny.split, folder / "data" / "split.csv")
    write_network_of(folder / "network.pt", tiny.settings)
    return folder


def test_the_score_of_a_network_in_use_is_that_of_the_stage(tiny, run, monkeypatch):
    monkeypatch.setattr(stage, "has_bfloat16", lambda device: True)
    places = {"scores": run / "scores.json", "pictures": run / "a", "predictions": run / "b", "images": run / "i.csv"}
    call_stage("evaluate_network", tiny.settings, split=tiny.split, network=run / "network.pt", **places)
    found = read_json(run / "scores.json")
    network = lbt.load_network(run / "network.pt")
    assert score_segmenter(network, network.classes, run) == pytest.approx(found["miou"], abs=1e-6)
    assert 0.9 < found["bfloat16"]["equal_labels"] < 1
    with pytest.raises(LbtError, match=r"has the classes .*, the network a, b"):
        score_segmenter(network, ("a", "b"), run)

    monkeypatch.setattr(stage, "has_bfloat16", lambda device: False)
    call_stage("evaluate_network", tiny.settings, split=tiny.split, network=run / "network.pt", **places)
    assert read_json(run / "scores.json") == found | {"bfloat16": None}


def test_int8_is_calibrated_and_scored_on_the_images_of_the_run(run, capsys):
    words = ["export", run / "network.pt", run / "int8.onnx", "--size", 61, 97, "--precision", "int8", "--run", run]
    assert main([*map(str, words), "--score"]) == 0
    printed = capsys.readouterr().out
    assert "int8 against float32" in printed and "equal labels" in printed and "mIoU on the held-out images" in printed
    assert main(["export", str(run / "network.pt"), str(run / "a.onnx"), "--size", "64", "64", "--run", str(run)]) == 0


def test_equal_labels_are_counted_over_all_pixels():
    network, images = random_network(), torch.randn(3, 3, 64, 64).cumsum(2).cumsum(3) / 30
    pair = BothPrecisions(network)
    with torch.no_grad():
        logits = [pair(images[:1]), pair(images[1:])]
        short = upsample(pair.short.main_logits(images.bfloat16()).float(), (64, 64)).argmax(dim=1)
        assert torch.equal(logits[0], network.main_logits(images[:1])) and logits[1].dtype == torch.float32
        expected = (network(images).argmax(dim=1) == short).double().mean()
    assert pair.equal_labels == pytest.approx(float(expected), abs=1e-3) and 0.8 < pair.equal_labels < 1
