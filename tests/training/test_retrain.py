"""Retraining: first weights, recipes, resuming, and the effect of distillation."""

import csv
from pathlib import Path

import pytest
import torch
from quick import quick_first
from stage_calls import call_stage
from torch.optim.swa_utils import AveragedModel

from lbt.config import RetrainOptimizer, RetrainSettings
from lbt.config.retrain import BALANCED_LOSSES
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import training_loader
from lbt.data.splits import training_samples
from lbt.derivation.derive_guide import random_guide
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.network.genotype import read_genotype
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype
from lbt.runtime.distributed import ALONE
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed
from lbt.space.padding import upsample
from lbt.training import retrain as training
from lbt.training.losses import ohem_cross_entropy

RELEASED = RetrainSettings(recipe="released", epochs=1.0, batch_size=4)
STILL = RetrainOptimizer(name="sgd", lr=1.0e-12, momentum=0.0, weight_decay=0.0)


@pytest.fixture
def retrain(tiny, tmp_path):
    """Retrain a network into a folder of its own: `retrain(folder, guide=..., supernet=..., **retrain settings)`."""
    genotype, guide = tmp_path / "genotype.json", tmp_path / "guide.json"
    write_json(genotype, random_genotype(tiny.settings.space, torch.Generator().manual_seed(0)).to_json())
    write_json(guide, random_guide(tiny.settings.space, torch.Generator().manual_seed(1)).to_json())

    def run(folder: str, *, of=genotype, inputs=None, resume=None, recipe=None, **settings) -> Path:
        (tmp_path / folder).mkdir(exist_ok=True)
        chosen = (recipe or tiny.settings.retrain).model_copy(update=settings)
        counted = {"class_pixels": tiny.class_pixels} if chosen.loss in BALANCED_LOSSES else {}
        call_stage(
            "retrain",
            seed=0,
            method="fasterseg",
            data=tiny.settings.data,
            augmentation=tiny.settings.augmentation,
            space=tiny.settings.space,
            retrain=chosen,
            compute=tiny.settings.compute,
            split=tiny.split,
            genotype=guide if of == "guide" else of,
            network=tmp_path / folder / "network.pt",
            metrics=tmp_path / folder / "metrics.csv",
            resume=resume,
            **(counted | (inputs or {})),
        )
        return tmp_path / folder

    return run


def rows_of(place):
    with open(place / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def network_of(place):
    return torch.load(place / "network.pt", weights_only=True)["network"]


def test_distillation_brings_the_network_nearer_to_its_guide(retrain):
    guide = retrain("guide", of="guide", recipe=RELEASED, epochs=2.0) / "network.pt"
    common = {"inputs": {"guide": guide}, "recipe": RELEASED, "epochs": 3.0}
    found = {w: rows_of(retrain(f"weight-{w}", distillation_weight=w, **common)) for w in (0.0, 5.0)}
    first, last = ({w: float(rows[i]["distillation_loss"]) for w, rows in found.items()} for i in (0, -1))
    assert first[0.0] == first[5.0] > 0  # the same weights and images
    assert last[5.0] < 0.5 * first[5.0] and last[5.0] < last[0.0]


def test_at_weight_zero_a_guide_changes_nothing(retrain):
    """In contiguous format: otherwise the sum of two gradients has another format, and rounds differently."""
    guide = retrain("guide", of="guide") / "network.pt"
    with_guide = retrain("with", inputs={"guide": guide}, recipe=RELEASED, distillation_weight=0.0)
    without = retrain("without", recipe=RELEASED)
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


def test_the_released_recipe_is_plain_sgd_on_hard_pixels(retrain, tiny, tmp_path):
    """The same bytes as a loop without a choice in it: OHEM at full resolution, SGD, clipping, poly decay."""
    settings, table = tiny.settings, tiny.classes
    found, rows = retrain("released", recipe=RELEASED), []
    torch.manual_seed(derive_seed(0, "network"))
    network = Network(read_genotype(tmp_path / "genotype.json", settings.space), settings.space, table.num_classes)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    batches = training_loader(
        SegmentationDataset(training_samples(tiny.split), settings.data, table),
        data=settings.data,
        augmentation=settings.augmentation,
        crop=settings.augmentation.crop,
        batch_size=4,
        seed=derive_seed(0, "retrain"),
        steps=4,
    )
    for step, (images, labels) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 4) ** 0.9
        main, *others = (
            ohem_cross_entropy(upsample(logits, (64, 64)), labels, ALONE) for logits in network.heads(images)
        )
        loss = main
        for part in others:
            loss = loss + 0.4 * part
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0))
        optimizer.step()
        optimizer.zero_grad()
        rows.append([float(loss.detach()), norm, optimizer.param_groups[0]["lr"]])
    assert [[float(row[k]) for k in ("loss", "gradient_norm", "lr")] for row in rows_of(found)] == rows
    assert all(torch.equal(network.state_dict()[name], value) for name, value in network_of(found).items())


CHANGES = {
    "loss": {"loss": "cross_entropy"},
    "median frequency": {"loss": "median_frequency"},
    "offset": {"enet_offset": 1.1},
    "optimiser": {"optimizer": RetrainOptimizer(name="sgd")},
    "no decay of norms": {"optimizer": RetrainOptimizer(decay_all=True)},
    "warm-up": {"lr_warmup": 0.6},
    "average": {"ema_decay": 0.0},
    "auxiliary loss": {"auxiliary_size": "image"},
}


@pytest.mark.parametrize("name", quick_first(3, CHANGES))
def test_each_setting_changes_the_network(retrain, name):
    before, after = network_of(retrain("before")), network_of(retrain("after", **CHANGES[name]))
    assert max(float((before[key].double() - value.double()).norm()) for key, value in after.items()) > 1e-5


def test_the_memory_format_only_rounds_differently(retrain):
    folders = [retrain(f"{last}", recipe=RELEASED, channels_last=last) for last in (False, True)]
    losses = [[float(row["loss"]) for row in rows_of(folder)] for folder in folders]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3) and losses[0] != losses[1]
    assert all(value.is_contiguous() for folder in folders for value in network_of(folder).values())


class StoppedAt(Resume):
    """Is interrupted after the given number of steps."""

    def _save(self, path, step, parts):
        super()._save(path, step, parts)
        if step == 3:
            raise ZeroDivisionError


@pytest.mark.parametrize("settings", [{}, {"optimizer": RetrainOptimizer(name="sgd"), "loss": "ohem"}], ids=str)
def test_an_interrupted_training_resumes_bit_by_bit(retrain, tmp_path, settings):
    whole = retrain("whole", epochs=1.5, **settings)
    with pytest.raises(ZeroDivisionError):
        retrain("parts", epochs=1.5, resume=StoppedAt(tmp_path / "x.resume", minutes=0.0), **settings)
    parts = retrain("parts", epochs=1.5, resume=Resume(tmp_path / "x.resume"), **settings)
    assert len(rows_of(whole)) == 6
    for name in ("network.pt", "metrics.csv"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def test_a_skipped_step_is_not_averaged(retrain, monkeypatch):
    """A step whose loss is not finite changes neither weights nor average."""
    monkeypatch.setattr(training, "retraining_loss", lambda outputs, *_, **__: outputs[0].sum() * torch.nan)
    added = []
    monkeypatch.setattr(AveragedModel, "update_parameters", lambda self, model: added.append(model))
    assert [row["skipped"] for row in rows_of(retrain("skipped"))] == ["1", "2", "3", "4"] and not added


def test_counts_that_do_not_fit_the_loss_are_refused(retrain, tiny):
    with pytest.raises(LbtError, match=r"retrain\.loss is ohem, but .* with the input class_pixels"):
        retrain("refused", inputs={"class_pixels": tiny.class_pixels}, loss="ohem")
    with pytest.raises(LbtError, match=r"retrain\.loss is enet, but .* without the input class_pixels"):
        retrain("refused", inputs={"class_pixels": None}, loss="enet")
