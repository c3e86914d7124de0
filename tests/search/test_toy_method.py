"""A method that trains a second network is one folder in `lbt/search/methods` and one row of METHODS."""

import csv
import math
import pkgutil
import sys

import pytest
import torch

from lbt.config.methods import METHODS, MethodFacts
from lbt.config.round import StudentSearch
from lbt.runtime.checkpoint import load_checkpoint
from lbt.search import methods
from lbt.search.state import STATE_KIND

FOLDER = {
    "__init__.py": """
from lbt.search.method import Method
from lbt.search.methods.toy.assistant import Assistant
from lbt.search.methods.toy.gradient import architecture_gradient

METHOD = Method("toy", architecture_gradient, Assistant)
""",
    "assistant.py": '''
from lbt.search.method import PartnerNetwork
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.search.weight_step import take_step


class Assistant(PartnerNetwork):
    """A network that learns from labelled images only."""

    NAME = "assistant"
    COLUMNS = ("assistant_loss", "assistant_weight_gradient_norm")

    def batches(self, streams, steps, labels):
        student = self.search.student
        return streams.labelled("student_train", "student_train", steps, student.batch_size, student.crop)

    def train_step(self, batch, noise_seed, precision):
        images, labels = batch
        with fixed_noise(noise_seed, images.device):
            loss = labelled_loss(self.network(images)["out"], labels, self.processes)
        loss.backward()
        guard, clip_norm = self.guards[self.NAME], self.search.student.optimizer.clip_norm
        step = take_step(self.network, self.optimizer, guard, {"loss": loss.detach()}, clip_norm, self.processes)
        return {"assistant_loss": loss.detach(), "assistant_weight_gradient_norm": step.norm}, step
''',
    "gradient.py": """
from dataclasses import replace

from lbt.search.gradient_terms import add_latency, teacher_term


def architecture_gradient(context):
    teacher = teacher_term(context)
    found = add_latency(context, teacher, teacher.gradient)
    return replace(found, record=found.record | {"assistant_factor": context.partner_step.lr})
""",
}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The folder of a method `toy` and its row."""
    folder = tmp_path / "methods" / "toy"
    folder.mkdir(parents=True)
    for name, text in FOLDER.items():
        (folder / name).write_text(text)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder.parent)])
    monkeypatch.setitem(METHODS, "toy", MethodFacts(StudentSearch))
    yield
    for name in [name for name in sys.modules if name.startswith("lbt.search.methods.toy")]:
        del sys.modules[name]


def rows_of(place):
    with open(place / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_method_with_a_second_network_is_a_folder_and_a_row(toy, play, tiny):
    first = play("round-1", method="toy")
    rows = rows_of(first)
    for row in rows:
        assert all(math.isfinite(float(row[name])) for name in ("assistant_loss", "assistant_weight_gradient_norm"))
        assert float(row["assistant_factor"]) == tiny.settings.search.student.optimizer.lr
        assert row["skipped_assistant"] == "0" and float(row["lr_assistant"]) > 0
        assert row["teacher_assistant_cosine"] == "" and float(row["architecture_gradient_norm"]) > 0
    assert not [name for name in rows[0] if "student" in name]
    second = play("round-2", method="toy", round=2, previous=first / "checkpoint.pt")
    before, after = (load_checkpoint(place / "training_state.pt", kind=STATE_KIND) for place in (first, second))
    assert before["identity"]["method"] == "toy" and "assistant_optimizer" in after
    assert before["assistant"].keys() == after["assistant"].keys()
    assert any(not torch.equal(value, after["assistant"][name]) for name, value in before["assistant"].items())


def test_every_method_is_in_the_table_and_every_row_is_a_method():
    assert {module.name for module in pkgutil.iter_modules(methods.__path__)} == set(METHODS)
