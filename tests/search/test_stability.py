"""Faults injected into a round: what the guards skip, what they report, and thirty rounds without a fault."""

import csv
import math

import pytest
import torch
from quick import quick_first

from lbt.config import OptimizerSettings
from lbt.errors import LbtError
from lbt.runtime.checkpoint import load_checkpoint
from lbt.search.batches import RoundStreams
from lbt.search.state import STATE_KIND
from lbt.space.supernet_file import KIND
from lbt.training.optimizers import GuardedStep

SPOILT = {"teacher_train": "teacher", "teacher_val": "architecture", "student_train": "student", "unlabeled": "student"}


def rows_of(place):
    with open(place / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tensors_of(content):
    if isinstance(content, torch.Tensor):
        yield content
    elif isinstance(content, dict | list):
        for value in content.values() if isinstance(content, dict) else content:
            yield from tensors_of(value)


@pytest.fixture
def spoil(monkeypatch):
    """Put a NaN into the first image of one of a stream's batches."""

    def install(name, step=1):
        stream = RoundStreams._stream

        def spoilt(self, wanted, *arguments):
            for number, (images, *rest) in enumerate(stream(self, wanted, *arguments)):
                if (wanted, number) == (name, step):
                    images[0, 0, 3, 3] = math.nan
                yield images, *rest

        monkeypatch.setattr(RoundStreams, "_stream", spoilt)

    return install


@pytest.mark.parametrize("stream", quick_first(2, SPOILT))
def test_a_nan_image_is_skipped_counted_and_leaves_no_trace(play, spoil, stream):
    spoil(stream)
    place = play("round", method="lbt", epochs=1.5, gradient="one_step")
    rows = rows_of(place)
    assert len(rows) == 3
    for row, skipped in zip(rows, (0, 1, 1), strict=True):
        assert int(row[f"skipped_{SPOILT[stream]}"]) == skipped
    assert rows[1]["architecture_gradient_norm"] == "" or stream == "teacher_val"
    assert all(math.isfinite(float(rows[2][name])) for name in ("teacher_loss", "student_loss", "teacher_val_loss"))
    for file, kind in (("checkpoint.pt", KIND), ("training_state.pt", STATE_KIND)):
        assert all(value.isfinite().all() for value in tensors_of(load_checkpoint(place / file, kind=kind))), file


def test_a_nan_in_the_students_validation_skips_the_architecture_step(play, spoil):
    spoil("student_val")
    rows = rows_of(play("round", method="lbt", epochs=1.5))
    assert [int(row["skipped_architecture"]) for row in rows] == [0, 1, 1]
    assert [int(row["skipped_student"]) for row in rows] == [0, 0, 0]
    assert rows[1]["entropy_alpha"] == rows[0]["entropy_alpha"] != rows[2]["entropy_alpha"]


WILD = OptimizerSettings(lr=1.0e9, momentum=0.0, weight_decay=0.0, clip_norm=1.0e9)


@pytest.mark.parametrize(
    ("search", "message"),
    quick_first(
        1,
        [
            (
                {"teacher": WILD},
                r"teacher \(lbt, round 1\): 20 updates in a row .* at step \d+ of .*: "
                r"(teacher_loss|norm of the gradient) = (nan|inf)",
            ),
            (
                {"student": WILD},
                r"student \(lbt, round 1\): 20 updates .* at step \d+ of .*: "
                r"(loss on labelled images|norm of the gradient) = (nan|inf)",
            ),
        ],
    ),
    ids=["huge learning rate", "student explodes"],
)
def test_a_search_that_diverges_stops_and_names_the_first_bad_value(play, tiny, search, message, tmp_path):
    if "student" in search:
        search = {"student": tiny.settings.search.student.model_copy(update={"optimizer": search["student"]})}
    before = tiny.warmup.read_bytes()
    with pytest.raises(LbtError, match=message) as error:
        play("round", method="lbt", epochs=13.0, **search)
    assert f"The last good state is {tiny.warmup}" in str(error.value)
    assert not {"checkpoint.pt", "architecture.json", "metrics.csv"} & {p.name for p in (tmp_path / "round").iterdir()}
    assert tiny.warmup.read_bytes() == before


def test_short_rounds_do_not_hide_lost_weights(play, tiny):
    """With 12 steps a round and a limit of 20 skipped updates, the second round stops and names the first one."""
    first = play("round-1", epochs=6.0, teacher=WILD)
    rows = rows_of(first)
    began = next(int(row["step"]) for row in rows if int(row["skipped_teacher"]))
    assert 0 < began < 5 and int(rows[-1]["skipped_teacher"]) == 12 - began
    message = (
        rf"teacher \(fasterseg, round 2\): 20 updates .* step {began} of teacher \(fasterseg, round 1\): "
        "(teacher_loss|norm of the gradient) = "
    )
    with pytest.raises(LbtError, match=message) as error:
        play("round-2", round=2, previous=first / "checkpoint.pt", epochs=6.0, teacher=WILD)
    assert f"{first}/checkpoint.pt is already bad: delete it" in str(error.value)


def test_the_next_rounds_first_good_step_ends_a_streak(play, spoil):
    spoil("teacher_train")
    first = play("round-1", epochs=1.0)
    assert load_checkpoint(first / "training_state.pt", kind=STATE_KIND)["skips"]["teacher"]["consecutive"] == 1
    second = play("round-2", round=2, previous=first / "checkpoint.pt", epochs=0.5)
    assert load_checkpoint(second / "training_state.pt", kind=STATE_KIND)["skips"] == {}
    assert rows_of(second)[-1]["skipped_teacher"] == "0"


def test_the_step_in_a_message_is_that_of_the_metrics(play, spoil, monkeypatch):
    """If the teacher's update is skipped, the architecture's step is not tried, but its number must count it."""
    spoil("teacher_train")
    spoil("teacher_val", step=2)
    first, undo = {}, GuardedStep._undo
    monkeypatch.setattr(GuardedStep, "_undo", lambda guard, bad: first.update({guard: undo(guard, bad) or guard.first}))
    rows = rows_of(play("round", epochs=1.5))
    assert [row["skipped_architecture"] for row in rows] == ["0", "0", "1"]
    assert [text.split(" (")[0] for text in first.values()] == ["step 1 of teacher", "step 2 of architecture"]


@pytest.mark.parametrize("rounds", quick_first(1, [3, 30]))
def test_rounds_end_without_a_nan(play, rounds):
    previous, updates, skipped = None, 0, 0
    for number in range(1, rounds + 1):
        place = play(f"round-{number}", method="lbt", round=number, previous=previous, shards=1, gradient="one_step")
        previous = place / "checkpoint.pt"
        for row in rows_of(place):
            values = [float(row[name]) for name in ("teacher_loss", "student_loss", "student_val_loss", "latency_ms")]
            assert all(map(math.isfinite, values))
        updates += 3 * len(rows_of(place))
        skipped += sum(int(rows_of(place)[-1][f"skipped_{name}"]) for name in ("teacher", "student", "architecture"))
    assert skipped <= 0.01 * updates
    rest = load_checkpoint(previous.with_name("training_state.pt"), kind=STATE_KIND)
    assert all(value.isfinite().all() for value in tensors_of([load_checkpoint(previous, kind=KIND), rest]))
