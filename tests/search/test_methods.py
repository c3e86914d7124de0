"""Every method's round through the same loop: its outputs, their repetition, and what it refuses."""

import csv
import math

import pytest
import torch
from quick import quick_first

from lbt.config import PseudoLabelSettings, StudentSettings
from lbt.config.methods import METHODS
from lbt.errors import LbtError
from lbt.runtime.checkpoint import load_checkpoint
from lbt.search.method import Partner
from lbt.search.methods import load_method
from lbt.search.state import STATE_KIND

FILLED = {
    "lbt": {"student_loss", "pseudo_loss", "student_val_loss", "student_gradient_norm", "teacher_student_cosine"},
    "lpt": {"tester_loss", "bank_loss", "tester_val_loss", "creator_objective", "creator_gradient_norm"},
    "fasterseg": {"teacher_val_loss", "latency_ms", "fps"},
    "random": set(),
}


def rows_of(place):
    with open(place / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", tuple(METHODS))
def test_a_round_writes_its_files_and_fills_its_columns(play, method):
    place = play("round", method=method)
    rows = rows_of(place)
    assert {"checkpoint.pt", "training_state.pt", "architecture.json", "metrics.csv"} <= {
        file.name for file in place.iterdir()
    }
    for row in rows:
        assert all(math.isfinite(float(row[name])) for name in FILLED[method] | {"teacher_loss", "entropy_beta"})
        assert all(row[name] == "0" for name in row if name.startswith("skipped_"))
        assert all(float(row[name.replace("skipped", "lr")]) > 0 for name in row if name.startswith("skipped_"))
    assert method == "random" or rows[0]["teacher_gradient_norm"]


@pytest.mark.parametrize("method", quick_first(1, ["lbt", "lpt"]))
def test_a_round_repeats_bit_by_bit_with_any_number_of_workers(play, method):
    places = [play(f"workers-{n}", method=method, workers=n, epochs=1.0) for n in (0, 2)]
    for name in ("checkpoint.pt", "training_state.pt", "architecture.json"):
        assert len({(place / name).read_bytes() for place in places}) == 1, name
    first, second = ([row | {"seconds": ""} for row in rows_of(place)] for place in places)
    assert first == second


@pytest.mark.parametrize(("method", "keys"), [("lbt", {"student"}), ("lpt", {"tester", "creator"})])
def test_the_next_round_resumes_the_partner(play, method, keys):
    def content_of(place):
        return load_checkpoint(place / "training_state.pt", kind=STATE_KIND)

    first = play("round-1", method=method)
    second = play("round-2", method=method, round=2, previous=first / "checkpoint.pt")
    before, after = content_of(first), content_of(second)
    for key in keys:
        assert set(before[key]) == set(after[key])
        assert any(not torch.equal(before[key][name], after[key][name]) for name in before[key])
        steps = [int(s["step"]) for s in after[f"{key}_optimizer"]["state"].values() if "step" in s]
        assert all(count == 2 * len(rows_of(first)) for count in steps) and (steps or key != "creator")


@pytest.mark.parametrize(
    "search",
    quick_first(
        2,
        [
            {"pseudo_labels": PseudoLabelSettings(targets="hard", threshold=0.2, temperature=0.5)},
            {"gradient": "one_step"},
            {"gradient": "published"},
            {"student_term": "raw"},
            {"pseudo_labels": PseudoLabelSettings(weighting="confidence", ratio=0.5)},
        ],
    ),
    ids=str,
)
def test_every_setting_of_lbt_runs_and_moves_the_architecture(play, search):
    rows = rows_of(play("round", method="lbt", **search))
    assert float(rows[0]["architecture_gradient_norm"]) > 0
    second = search.get("gradient", "direct") != "direct"
    assert all(bool(row["second_order_gradient_norm"]) == second for row in rows)


def test_the_ratio_chooses_how_many_images_are_labelled(play, tiny):
    import h5py

    place = play("round", method="lbt", shards=1, pseudo_labels=PseudoLabelSettings(ratio=0.25))
    with h5py.File(place / "shard-0.h5") as file:
        assert len(file["image_id"]) == 2  # a quarter of eight
    with pytest.raises(LbtError, match=r"ratio: 2 times the 8 images .* are 16, but there are 5 unlabelled images"):
        play("too-many", method="lbt", pseudo_labels=PseudoLabelSettings(ratio=2.0))


@pytest.mark.parametrize(
    ("wrong", "message"),
    quick_first(
        1,
        [
            ({"method": "lpt"}, r"is of lbt \(seed 0, round 1\); round 2 of lpt starts from lpt \(seed 0, round 1\)"),
            ({"round": 3}, r"is of lbt \(seed 0, round 1\); round 3 of lbt starts from lbt \(seed 0, round 2\)"),
            ({"round": 1}, r"is of lbt \(seed 0, round 1\); round 1 of lbt starts from warmup \(seed 0, round 0\)"),
        ],
    ),
)
def test_a_checkpoint_of_another_origin_is_refused(play, wrong, message):
    first = play("round-1", method="lbt") / "checkpoint.pt"
    with pytest.raises(LbtError, match=message):
        play("wrong", **{"method": "lbt", "round": 2, "previous": first} | wrong)


LARGE = {"student": StudentSettings(model="lraspp_mobilenet_v3_large", crop=(64, 64), batch_size=6)}


@pytest.mark.parametrize(
    ("method", "search", "message"),
    [
        ("fasterseg", {"batch_size": 9}, "teacher_train has 8 images, a batch has 9"),
        ("lbt", LARGE, "unlabeled has 5 images, a batch has 6"),
        ("lbt", {"shards": 1, "pseudo_labels": PseudoLabelSettings(ratio=0.13)}, "unlabeled has 1 images, .* has 2"),
    ],
)
def test_a_batch_that_is_larger_than_its_part_is_refused_before_any_step(play, monkeypatch, method, search, message):
    monkeypatch.setattr("lbt.search.round.take_steps", None)
    with pytest.raises(LbtError, match=message):
        play("round", method=method, **search)


def test_the_table_agrees_with_the_methods():
    for name in tuple(METHODS):
        method = load_method(name)
        assert method.name == name
        assert METHODS[name].has_student == (method.partner is not Partner)
    assert METHODS["lbt"].needs_pseudo_labels and not METHODS["lpt"].needs_pseudo_labels
    assert "lpt" in METHODS["lpt"].search.model_fields and "lpt" not in METHODS["lbt"].search.model_fields
