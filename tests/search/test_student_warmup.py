"""The student's warm-up against a plain loop of PyTorch, and the first round that starts from its checkpoint."""

import csv

import pytest
import torch
from foreign_weights import LRASPP, MOBILE, RESNET, build_student, network
from pydantic import ValidationError
from quick import quick_first
from stage_calls import call_stage
from torch.nn import functional as F
from torchvision.models import segmentation

from lbt.config import StudentSettings
from lbt.data.classes import IGNORE
from lbt.data.dataset import SegmentationDataset
from lbt.data.loader import training_loader
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.runtime.checkpoint import load_checkpoint
from lbt.runtime.distributed import ALONE
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed
from lbt.search.methods import load_method
from lbt.search.state import save_round, start_round
from lbt.search.student_file import KIND
from lbt.space.supernet_file import supernet_identity
from lbt.training.optimizers import GuardedStep

ATTEMPT = GuardedStep.attempt


@pytest.fixture
def warm_up(tiny, tmp_path):
    """Warm up a student of the tiny run into a folder; keywords are settings of the student."""

    def run(folder, seed=0, resume=None, **changes):
        student = tiny.settings.search.student.model_copy(update=changes)
        search = tiny.settings.search.model_copy(update={"student": student})
        place = tmp_path / folder
        files = {"split": tiny.split, "checkpoint": place / "student.pt", "metrics": place / "metrics.csv"}
        call_stage("student_warmup", tiny.settings, seed=seed, search=search, resume=resume, **files)
        return place

    return run


@pytest.fixture
def start(tiny):
    """The state of the first round of a method that starts from a checkpoint of the student."""

    def run(method, student, seed=0, previous=tiny.warmup, rest=None, round=1, **changes):
        chosen = tiny.settings.search.student.model_copy(update=changes)
        return start_round(
            previous,
            rest,
            student,
            classes=tiny.classes.names,
            space=tiny.settings.space,
            search=tiny.settings.search.model_copy(update={"student": chosen}),
            seed=seed,
            method=load_method(method),
            round=round,
            device=torch.device("cpu"),
            processes=ALONE,
        )

    return run


def weights_of(folder):
    return load_checkpoint(folder / "student.pt", kind=KIND)["student"]


def rows_of(folder):
    with open(folder / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


def test_the_steps_are_those_of_a_plain_loop(warm_up, tiny):
    """Cross-entropy over the labelled pixels, clipped, with momentum and weight decay, in the order of the seed."""
    folder = warm_up("stage", warmup_epochs=1.0, batch_size=4)
    student, data, classes = tiny.settings.search.student, tiny.settings.data, tiny.classes
    with torch.random.fork_rng():
        torch.manual_seed(derive_seed(0, "student"))
        plain = segmentation.lraspp_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=classes.num_classes
        )
    plain.train().to(memory_format=torch.channels_last)  # sums of another layout round otherwise
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    batches = training_loader(
        SegmentationDataset(read_split(tiny.split, "student_train"), data, classes),
        data=data,
        augmentation=tiny.settings.augmentation,
        crop=student.crop,
        batch_size=4,
        seed=derive_seed(0, "student warmup"),
        steps=2,
    )
    found = rows_of(folder)
    assert len(found) == 2  # one pass over eight images
    for row, (images, labels) in zip(found, batches, strict=True):
        loss = F.cross_entropy(plain(images)["out"], labels, ignore_index=IGNORE)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 5.0)
        optimizer.step()
        assert float(row["loss"]) == pytest.approx(float(loss.detach()), rel=1e-6)
        assert float(row["gradient_norm"]) == pytest.approx(float(norm), rel=1e-6)
        assert row["skipped"] == "0" and row["lr"] == "0.01"
    for name, value in weights_of(folder).items():
        torch.testing.assert_close(value, plain.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_the_loss_falls(warm_up):
    losses = [float(row["loss"]) for row in rows_of(warm_up("long", warmup_epochs=6.0, batch_size=4))]
    assert len(losses) == 12 and sum(losses[-3:]) < 0.8 * sum(losses[:3])


def test_a_warm_up_repeats_bit_by_bit_and_depends_on_the_seed(warm_up):
    first, again, other = (warm_up(name, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert (first / "student.pt").read_bytes() == (again / "student.pt").read_bytes()
    assert rows_of(first) == rows_of(again) != rows_of(other)


@pytest.mark.parametrize("model", quick_first(1, [LRASPP, MOBILE]))
def test_without_epochs_the_weights_are_the_first_ones(warm_up, tiny, tmp_path, model):
    drawn = warm_up("drawn", model=model, warmup_epochs=0.0, batch_size=4)
    assert equal(weights_of(drawn), build_student(model, "none", derive_seed(0, "student"), 6).state_dict())
    assert rows_of(drawn) == []
    assert (drawn / "metrics.csv").read_text() == "step,loss,gradient_norm,skipped,lr\n"
    weights = tmp_path / "weights.pth"
    torch.save(network(model, tiny.classes.num_classes), weights)
    named = warm_up("named", model=model, warmup_epochs=0.0, batch_size=4, weights=str(weights))
    assert equal(weights_of(named), network(model, tiny.classes.num_classes))


@pytest.mark.parametrize("model", quick_first(1, [LRASPP, MOBILE]))
def test_the_first_round_starts_from_these_weights_with_a_new_optimiser(warm_up, start, model):
    """Of student and tester, which has other names; and both compute what torchvision's network computes."""
    path = warm_up("warm", model=model, batch_size=4) / "student.pt"
    saved, images = weights_of(path.parent), torch.randn(4, 3, 64, 64)
    plain = getattr(segmentation, model)(weights=None, weights_backbone=None, num_classes=6)
    plain.load_state_dict(saved)
    expected = plain.eval()(images)["out"]
    for method in ("lbt", "lpt"):
        partner = start(method, path, model=model, batch_size=4).partner
        assert equal(partner.torchvision_state(), saved)
        assert not partner.optimizer.state and partner.network.training
        logits = partner.network.eval()(images)
        torch.testing.assert_close(logits["out"] if method == "lbt" else logits[0], expected)


@pytest.mark.parametrize("method", ["lbt", "lpt"])
def test_a_later_round_continues_from_the_round_before(start, tiny, tmp_path, method):
    state = start(method, tiny.student)
    with torch.no_grad():
        next(state.partner.network.parameters()).zero_()
    identity = supernet_identity(tiny.classes.names, tiny.settings.space, 0, method, 1)
    paths = tmp_path / "checkpoint.pt", tmp_path / "training_state.pt"
    save_round(*paths, state, identity)
    later = start(method, None, previous=paths[0], rest=paths[1], round=2)
    assert equal(later.partner.torchvision_state(), state.partner.torchvision_state())


@pytest.mark.parametrize("method", ["lbt", "lpt"])
def test_a_student_of_another_origin_is_refused(start, tiny, tmp_path, method):
    supernet = torch.load(tiny.warmup, weights_only=True)
    supernet["identity"]["seed"] = 3
    torch.save(supernet, tmp_path / "warmup-3.pt")
    for changed, message in (
        ({"model": MOBILE, "batch_size": 4}, f"was made with model = {LRASPP}; these settings have {MOBILE}"),
        ({"seed": 3, "previous": tmp_path / "warmup-3.pt"}, "was made with seed = 0; these settings have 3"),
    ):
        with pytest.raises(LbtError, match=rf"student\.pt: {message}\. Rerun its stage"):
            start(method, tiny.student, **changed)
    with pytest.raises(LbtError, match=r"warmup\.pt: holds a supernet, a student is needed"):
        start(method, tiny.warmup)
    with pytest.raises(LbtError, match=r"nowhere\.pt: is missing"):
        start(method, tiny.student.with_name("nowhere.pt"))
    student = torch.load(tiny.student, weights_only=True)
    student["identity"]["classes"] = ["road", *student["identity"]["classes"][:-1]]
    torch.save(student, tmp_path / "other.pt")
    with pytest.raises(LbtError, match=r"other\.pt: was made with classes = \['road', 'road', "):
        start(method, tmp_path / "other.pt")
    del student["student"]["classifier.cbr.0.weight"]
    student["identity"]["classes"] = list(tiny.classes.names)
    torch.save(student, tmp_path / "part.pt")
    with pytest.raises(
        LbtError, match=r"part\.pt: cannot be used, because it lacks classifier\.cbr\.0\.weight\. Rerun"
    ):
        start(method, tmp_path / "part.pt")


@pytest.mark.parametrize(
    ("method", "round", "given"), [("lbt", 1, False), ("lpt", 1, False), ("fasterseg", 1, True), ("lbt", 2, True)]
)
def test_only_a_first_round_with_a_student_takes_one(tiny, tmp_path, method, round, given):
    files = {
        "split": tiny.split,
        "table": tiny.table,
        "previous": tiny.warmup,
        "student": tiny.student if given else None,
    }
    outputs = {name: tmp_path / name for name in ("checkpoint", "state", "architecture", "metrics")}
    with pytest.raises(LbtError, match=f"round {round} of {method} was started with the input student = "):
        call_stage("round", tiny.settings, method=method, round=round, **files, **outputs)


@pytest.mark.parametrize("model", [MOBILE, RESNET])
def test_deeplab_refuses_a_batch_that_its_pooled_batch_norm_cannot_normalise(model):
    """Of as many numbers per channel as images; LR-ASPP pools, too, but has no BatchNorm there."""
    found = {}
    for name in (model, LRASPP):
        built = getattr(segmentation, name)(weights=None, weights_backbone=None, num_classes=2).train()
        shapes = []
        for module in built.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.register_forward_pre_hook(lambda module, inputs, shapes=shapes: shapes.append(inputs[0].shape))
        built(torch.zeros(2, 3, 64, 64))
        found[name] = min(batch * height * width for batch, _, height, width in shapes)
    assert found[model] == 2 < 8 <= found[LRASPP]
    with pytest.raises(ValidationError, match=f"batch_size: 3 is below 4: {model} normalises"):
        StudentSettings(model=model, batch_size=3)
    assert StudentSettings(model=model, batch_size=4) and StudentSettings(model=LRASPP, batch_size=2)


@pytest.mark.parametrize("model", [LRASPP, MOBILE])  # without and with dropout
def test_a_stopped_warm_up_resumes_bit_by_bit(warm_up, tmp_path, monkeypatch, model):
    changes = {"model": model, "warmup_epochs": 2.0, "batch_size": 4}
    whole, calls = warm_up("whole", **changes), []

    def stop(*_):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(GuardedStep, "attempt", lambda *given: stop() or ATTEMPT(*given))
        with pytest.raises(KeyboardInterrupt):
            warm_up("stopped", resume=Resume(tmp_path / "saved", minutes=0.0), **changes)
    resume = Resume(tmp_path / "saved", minutes=0.0)
    assert resume.step == 2 and not (tmp_path / "stopped").exists()
    again = warm_up("stopped", resume=resume, **changes)
    for name in ("student.pt", "metrics.csv"):
        assert (again / name).read_bytes() == (whole / name).read_bytes()
