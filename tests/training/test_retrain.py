"""Retraining: the source of the first weights, and the effect of distillation."""

import csv
from pathlib import Path

import pytest
import torch
from stage_calls import call_stage

from lbt.config import OptimizerSettings
from lbt.derivation.derive_guide import random_guide
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.network.random_genotype import random_genotype
from lbt.training import retrain as training

STILL = OptimizerSettings(lr=1.0e-12, momentum=0.0, weight_decay=0.0)


@pytest.fixture
def retrain(tiny, tmp_path):
    """Retrain a network into a folder of its own: `retrain(folder, guide=..., supernet=..., **retrain settings)`."""
    genotype, guide = tmp_path / "genotype.json", tmp_path / "guide.json"
    write_json(genotype, random_genotype(tiny.settings.space, torch.Generator().manual_seed(0)).to_json())
    write_json(guide, random_guide(tiny.settings.space, torch.Generator().manual_seed(1)).to_json())

    def run(folder: str, *, of=genotype, inputs=None, **settings) -> Path:
        (tmp_path / folder).mkdir()
        call_stage(
            "retrain",
            seed=0,
            method="fasterseg",
            data=tiny.settings.data,
            augmentation=tiny.settings.augmentation,
            space=tiny.settings.space,
            retrain=tiny.settings.retrain.model_copy(update=settings),
            compute=tiny.settings.compute,
            split=tiny.split,
            genotype=guide if of == "guide" else of,
            network=tmp_path / folder / "network.pt",
            metrics=tmp_path / folder / "metrics.csv",
            **(inputs or {}),
        )
        return tmp_path / folder

    return run


def rows_of(place):
    with open(place / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def network_of(place):
    return torch.load(place / "network.pt", weights_only=True)["network"]


def test_distillation_brings_the_network_nearer_to_its_guide(retrain):
    guide = retrain("guide", of="guide", epochs=2.0) / "network.pt"
    found = {
        weight: rows_of(retrain(f"weight-{weight}", inputs={"guide": guide}, epochs=3.0, distillation_weight=weight))
        for weight in (0.0, 5.0)
    }
    first, last = ({w: float(rows[i]["distillation_loss"]) for w, rows in found.items()} for i in (0, -1))
    assert first[0.0] == first[5.0] > 0  # the same weights and images
    assert last[5.0] < 0.5 * first[5.0] and last[5.0] < last[0.0]


def test_at_weight_zero_a_guide_changes_nothing(retrain):
    guide = retrain("guide", of="guide") / "network.pt"
    with_guide, without = retrain("with", inputs={"guide": guide}, distillation_weight=0.0), retrain("without")
    before, after = network_of(without), network_of(with_guide)
    assert all(torch.equal(before[name], value) for name, value in after.items())
    assert set(rows_of(with_guide)[0]) == set(rows_of(without)[0]) | {"distillation_loss"}


def test_training_starts_from_the_supernets_weights(retrain, tiny):
    inherited = network_of(
        retrain("inherited", inputs={"supernet": tiny.warmup}, initial="supernet", epochs=0.5, optimizer=STILL)
    )
    drawn = network_of(retrain("drawn", epochs=0.5, optimizer=STILL))
    supernet = torch.load(tiny.warmup, weights_only=True)["supernet"]
    stem = [name for name, value in inherited.items() if name.startswith("stem") and value.ndim == 4]
    assert stem and set(stem) <= set(supernet)
    for name in stem:
        torch.testing.assert_close(inherited[name], supernet[name])
        assert not torch.allclose(drawn[name], supernet[name])
    auxiliary = [name for name in inherited if name.startswith("auxiliary") and inherited[name].ndim == 4]
    assert auxiliary  # the heads that only training uses are random, as without a supernet
    for name in auxiliary:
        torch.testing.assert_close(inherited[name], drawn[name])


@pytest.mark.parametrize(("initial", "given"), [("supernet", False), ("random", True)])
def test_a_supernet_that_does_not_fit_the_setting_is_refused(retrain, tiny, initial, given):
    with pytest.raises(LbtError, match=rf"retrain\.initial is {initial}, but .* supernet = "):
        retrain("refused", inputs={"supernet": tiny.warmup} if given else {}, initial=initial)


def test_the_guide_does_not_change(retrain, monkeypatch):
    guide = retrain("guide", of="guide") / "network.pt"
    loaded, load = [], training.load_trained
    monkeypatch.setattr(training, "load_trained", lambda *arguments: loaded.append(load(*arguments)) or loaded[-1])
    retrain("distilled", inputs={"guide": guide})
    network = loaded[0].network
    saved = torch.load(guide, weights_only=True)["network"]
    assert not network.training and all(torch.equal(saved[name], v) for name, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
