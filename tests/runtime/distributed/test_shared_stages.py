"""Stages in two processes give the curves and weights of one process with the whole batches.

The stages run in double precision, where rounding stays far below the effect of any mistake. In single precision the
two agree to 1e-7 at the first step, but rounding grows from step to step, because the coarsest features of such small
networks have only a few pixels. After four steps the losses of one process with one thread and with two threads differ
by 4e-4. Therefore in single precision only the first losses are compared.
"""

import csv
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from quick import quick_first
from stage_calls import call_stage

from lbt.config import RetrainSettings
from lbt.config.methods import METHODS
from lbt.data import loader as loading
from lbt.derivation.derive_guide import random_guide
from lbt.files import write_json
from lbt.inference.network_file import KIND
from lbt.network.random_genotype import random_genotype
from lbt.pseudo_labels import label as labelling
from lbt.runtime.checkpoint import load_checkpoint
from lbt.search.state import STATE_KIND

PROMISED = 1e-5
"""Largest relative difference of a loss in single precision."""
DOUBLE = 1e-7
"""Largest relative difference in double precision, where one operation rounds by 1e-16."""


@contextmanager
def double_precision():
    """Networks and batches are of float64; the loader must load in this process."""
    send, recolor, normalise = loading._send, loading.recolor, labelling.normalise

    def sent(*batch):
        return tuple(part.double() if part.is_floating_point() else part for part in send(*batch))

    loading._send, loading.recolor = sent, lambda *images: recolor(*images).double()
    labelling.normalise = lambda *images: normalise(*images).double()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        loading._send, loading.recolor, labelling.normalise = send, recolor, normalise
        torch.set_default_dtype(torch.float32)


def in_double(stage, arguments):
    with double_precision():
        call_stage(stage, **arguments)


def in_single(stage, arguments):
    call_stage(stage, **arguments)


@pytest.fixture
def both(tiny, pair, tmp_path):
    """`both(stage, outputs, **arguments)`: run a stage in one process and in two; the folders of their outputs."""

    def play(stage, outputs, how=in_double, **arguments):
        folders = tmp_path / "one", tmp_path / "two"
        common = {"seed": 0, "data": tiny.settings.data, "augmentation": tiny.settings.augmentation}
        common |= {"space": tiny.settings.space, "compute": tiny.settings.compute, "split": tiny.split}
        one, two = (
            common | arguments | {key: folder / name for key, name in outputs.items()} | {"log": folder / "log.txt"}
            for folder in folders
        )
        how(stage, one)
        pair.run(how, stage, two)
        assert [sorted(p.name for p in f.iterdir()) for f in folders] == [sorted([*outputs.values(), "log.txt"])] * 2
        assert len((folders[1] / "log.txt").read_text().splitlines()) >= 2
        return folders

    return play


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def apart(one: Path, two: Path, *columns: str) -> list[float]:
    """The largest relative difference of each row, in these columns or all that repeat."""
    ours, theirs = rows_of(one), rows_of(two)
    assert len(ours) == len(theirs) >= 2
    found = []
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys() and [name for name in a if a[name]] == [name for name in b if b[name]]
        names = columns or [name for name in a if a[name] and name != "seconds"]
        found.append(max(abs(float(a[n]) - float(b[n])) / (abs(float(a[n])) or 1.0) for n in names))
    return found


def weights_apart(one: dict, two: dict) -> float:
    """The largest difference of a tensor, relative to its norm because single entries may be near zero.

    Whole tensors may be near zero too: the mean of normalised channels is zero except for rounding.
    """
    assert one.keys() == two.keys()
    pairs = [(value.double(), two[name].double()) for name, value in one.items()]
    return max(float((a - b).norm() / a.norm().clamp(min=1e-6)) for a, b in pairs)


def content_of(folder: Path, file: str, kind: str) -> dict:
    return load_checkpoint(folder / file, kind=kind)


@pytest.mark.exhaustive
def test_warm_up(both, tiny):
    settings = tiny.settings.warmup.model_copy(update={"epochs": 2.0})
    one, two = both(
        "warmup",
        {"checkpoint": "checkpoint.pt", "metrics": "metrics.csv"},
        warmup=settings,
        evaluation=tiny.settings.evaluation,
    )
    assert max(apart(one, two)) < DOUBLE
    ours, theirs = (content_of(folder, "checkpoint.pt", "supernet") for folder in (one, two))
    assert ours["identity"] == theirs["identity"]
    assert weights_apart(ours["supernet"], theirs["supernet"]) < DOUBLE
    assert all(torch.equal(ours["architecture"][k], v) for k, v in theirs["architecture"].items())


@pytest.mark.exhaustive
@pytest.mark.parametrize("model", ["lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large"])
def test_warm_up_of_the_student(both, tiny, model):
    """Each process takes half of a batch, whose BatchNorm and dropout are those of the whole batch."""
    changes = {"model": model, "warmup_epochs": 2.0, "batch_size": 4}
    student = tiny.settings.search.student.model_copy(update=changes)
    one, two = both(
        "student_warmup",
        {"checkpoint": "checkpoint.pt", "metrics": "metrics.csv"},
        search=tiny.settings.search.model_copy(update={"student": student}),
    )
    assert max(apart(one, two)) < DOUBLE
    ours, theirs = (content_of(folder, "checkpoint.pt", "student") for folder in (one, two))
    assert ours["identity"] == theirs["identity"]
    assert weights_apart(ours["student"], theirs["student"]) < DOUBLE


@pytest.mark.exhaustive
def test_the_losses_of_the_first_steps_in_single_precision(both, tiny):
    one, two = both(
        "warmup",
        {"checkpoint": "checkpoint.pt", "metrics": "metrics.csv"},
        in_single,
        warmup=tiny.settings.warmup.model_copy(update={"epochs": 1.0}),
        evaluation=tiny.settings.evaluation,
    )
    assert max(apart(one, two, "loss")[:2]) < PROMISED


@pytest.fixture
def genotypes(tiny, tmp_path):
    source = torch.Generator().manual_seed(0)
    places = tmp_path / "genotype.json", tmp_path / "guide.json"
    for place, draw in zip(places, (random_genotype, random_guide), strict=True):
        write_json(place, draw(tiny.settings.space, source).to_json())
    return places


@pytest.mark.parametrize("recipe", ["released", "balanced"])
@pytest.mark.parametrize("distilled", [False, True])
def test_retraining(both, tiny, tmp_path, genotypes, distilled, recipe):
    arguments = {"method": "lbt", "retrain": RetrainSettings(recipe=recipe, epochs=2.0, batch_size=4)}
    arguments["class_pixels"] = tiny.class_pixels if recipe == "balanced" else None
    genotype, guide = genotypes
    if distilled:
        trained = tmp_path / "guide.pt"
        call_stage(
            "retrain",
            seed=0,
            data=tiny.settings.data,
            augmentation=tiny.settings.augmentation,
            space=tiny.settings.space,
            compute=tiny.settings.compute,
            split=tiny.split,
            genotype=guide,
            network=trained,
            metrics=tmp_path / "guide.csv",
            **arguments,
        )
        arguments["guide"] = trained
    outputs = {"network": "network.pt", "metrics": "metrics.csv"}
    one, two = both("retrain", outputs, genotype=genotype, **arguments)
    assert max(apart(one, two)) < DOUBLE
    assert ("distillation_loss" in rows_of(two)[0]) == distilled
    ours, theirs = (content_of(folder, "network.pt", KIND) for folder in (one, two))
    assert weights_apart(ours["network"], theirs["network"]) < DOUBLE


ROUNDS = {
    "lbt, one step": ("lbt", {"gradient": "one_step"}),
    "fasterseg": ("fasterseg", {"cosearch": True}),
    "lbt, direct": ("lbt", {"gradient": "direct"}),
    "lpt": ("lpt", {}),
}


def doubled(checkpoint: Path, copy: Path) -> Path:
    """A copy of a warm-up whose architecture is of float64, too."""
    content = torch.load(checkpoint, weights_only=True)
    content["architecture"] = {name: value.double() for name, value in content["architecture"].items()}
    torch.save(content, copy)
    return copy


@pytest.mark.parametrize("name", quick_first(1, ROUNDS))
def test_rounds(both, tiny, tmp_path, name):
    method, changes = ROUNDS[name]
    search = tiny.settings.search.model_copy(update={"epochs": 1.0, **changes})
    before = doubled(tiny.warmup, tmp_path / "warmup.pt")
    shards = [tmp_path / f"shard-{k}.h5" for k in range(search.shards if METHODS[method].needs_pseudo_labels else 0)]
    for k, shard in enumerate(shards):
        with double_precision():
            call_stage(
                "label",
                seed=0,
                method=method,
                round=1,
                shard=k,
                code="code",
                data=tiny.settings.data,
                space=tiny.settings.space,
                search=search,
                compute=tiny.settings.compute,
                split=tiny.split,
                teacher=before,
                labels=shard,
                probabilities=shard.with_suffix(".soft"),
            )
    outputs = {"checkpoint": "checkpoint.pt", "metrics": "metrics.csv", "architecture": "architecture.json"}
    outputs["state"] = "training_state.pt"
    one, two = both(
        "round",
        outputs | ({"guide": "guide.json"} if search.cosearch else {}),
        method=method,
        round=1,
        search=search,
        latency=tiny.settings.latency,
        evaluation=tiny.settings.evaluation,
        table=tiny.table,
        previous=before,
        student=tiny.student if METHODS[method].has_student else None,
        probabilities=[shard.with_suffix(".soft") for shard in shards],
    )
    assert max(apart(one, two)) < DOUBLE
    ours, theirs = (
        content_of(folder, "checkpoint.pt", "supernet") | content_of(folder, "training_state.pt", STATE_KIND)
        for folder in (one, two)
    )
    assert ours.keys() == theirs.keys()
    for part in {"supernet", "architecture", "guide", "student", "tester", "creator"} & ours.keys():
        assert weights_apart(ours[part], theirs[part]) < DOUBLE, part
