"""A whole round: its outputs with and without a guide, how it resumes, how it steers the latency's weight."""

import csv
import functools
import json
import shutil
from dataclasses import replace

import pytest
import torch

from lbt.config.round import RoundSearch
from lbt.errors import LbtError
from lbt.latency.expected import genotype_latency
from lbt.latency.steering import steer
from lbt.latency.table import read_table
from lbt.network.derivation_rule import derive_genotype
from lbt.runtime.checkpoint import load_checkpoint
from lbt.search import round as rounds
from lbt.search.loop import width_temperature
from lbt.search.state import STATE_KIND
from lbt.space.architecture import architecture_from_json, architecture_shapes
from lbt.space.supernet_file import KIND
from lbt.space.widths import draw_gumbel_noise

KEPT = {"schema_version", "kind", "identity", "supernet", "architecture", "latency_weight", "skips"}
KEPT |= {"teacher_optimizer", "architecture_optimizer", "mean_gradient"}
GUIDE_COLUMNS = {"guide_loss", "guide_val_loss", "guide_gradient_norm", "skipped_guide"}
GUIDE_COLUMNS |= {"guide_entropy_alpha", "guide_entropy_beta"}


def rows_of(place):
    with open(place / "metrics.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def repeated(place):
    """The rows without the one column that may differ from run to run."""
    rows = rows_of(place)
    assert all(float(row.pop("seconds")) > 0 for row in rows)
    return rows


def content_of(place):
    """Both files of a round."""
    rest = load_checkpoint(place / "training_state.pt", kind=STATE_KIND)
    assert not {"supernet", "architecture"} & set(rest)
    network = load_checkpoint(place / "checkpoint.pt", kind=KIND)
    assert set(network) == {"schema_version", "kind", "identity", "supernet", "architecture"}
    return network | rest


def guide_of(place, tiny):
    return architecture_from_json(json.loads((place / "guide.json").read_text()), tiny.settings.space)


def test_without_a_co_search_no_guide_is_written(play):
    place = play("plain")
    assert set(content_of(place)) == KEPT
    assert not GUIDE_COLUMNS & set(rows_of(place)[0])
    assert {file.name for file in place.iterdir()} == {
        *("checkpoint.pt", "training_state.pt", "architecture.json", "metrics.csv", "log.txt")
    }


def test_a_heavy_entropy_term_makes_probable_choices_more_probable(play):
    plain, heavy = (rows_of(play(f"weight-{weight}", entropy_weight=weight)) for weight in (0.0, 1e9))
    for kind in ("alpha", "beta", "gamma"):
        assert float(heavy[-1][f"entropy_{kind}"]) < float(plain[-1][f"entropy_{kind}"])
    # the same steps up to the first one of A, but another gradient
    assert plain[0]["teacher_val_loss"] == heavy[0]["teacher_val_loss"]
    assert float(heavy[0]["architecture_gradient_norm"]) > 10 * float(plain[0]["architecture_gradient_norm"])


def test_the_temperature_of_the_widths_falls_from_round_to_round(play, monkeypatch):
    """Both steps of a round take the same temperature; the draws stay those of the seed."""
    noises = []

    def record(*arguments):
        noises.append(draw_gumbel_noise(*arguments))
        return noises[-1]

    monkeypatch.setattr("lbt.space.widths.draw_gumbel_noise", record)
    settings = {"width_temperature": 2.0, "width_temperature_decay": 0.25, "width_temperature_least": 0.2}
    rounds, previous = {}, {"plain": None, "annealed": None}
    for number in (1, 2, 3):
        for name, search in (("plain", {}), ("annealed", settings)):
            place = play(f"{name}-{number}", round=number, previous=previous[name], **search)
            previous[name] = place / "checkpoint.pt"
            rounds[name, number], noises = noises, []
    for number, temperature in ((1, 2.0), (2, 0.5), (3, 0.2)):
        pairs = list(zip(rounds["plain", number], rounds["annealed", number], strict=True))
        assert len(pairs) == 2 * len(rows_of(place))
        for plain, annealed in pairs:
            assert all(torch.allclose(temperature * plain[key], annealed[key]) for key in plain)


@pytest.mark.parametrize(
    ("first", "decay", "least", "expected"),
    [
        (1.0, 1.0, 0.1, [1, 1, 1]),
        (4.0, 0.5, 1.5, [4, 2, 1.5]),
        (0.05, 0.5, 0.1, [0.05] * 3),
        (1.0, 0.5, 0.0, [1, 0.5, 0.25]),
    ],
)
def test_the_temperature_of_a_round(first, decay, least, expected):
    search = RoundSearch(width_temperature=first, width_temperature_decay=decay, width_temperature_least=least)
    assert [width_temperature(search, number) for number in (1, 2, 3)] == expected


def test_a_co_search_repeats_bit_by_bit(play):
    places = [play(name, cosearch=True, epochs=1.0) for name in ("first", "second")]
    for name in ("checkpoint.pt", "architecture.json", "guide.json"):
        assert len({(place / name).read_bytes() for place in places}) == 1, name
    first, second = map(repeated, places)
    assert first == second


def test_a_co_search_records_its_guide_and_resumes_it(play, tiny):
    first = play("round-1", cosearch=True)
    content, rows = content_of(first), rows_of(first)
    assert set(content) == KEPT | {"guide", "guide_optimizer"}
    assert set(rows[0]) >= GUIDE_COLUMNS and all(row[name] for row in rows for name in GUIDE_COLUMNS)
    assert {key: tuple(value.shape) for key, value in content["guide"].items()} == architecture_shapes(
        tiny.settings.space
    )
    assert all(torch.equal(content["guide"][key], value) for key, value in guide_of(first, tiny).items())
    second = content_of(play("round-2", round=2, previous=first / "checkpoint.pt", cosearch=True))
    for key, value in content["guide"].items():
        moved = not torch.equal(second["guide"][key], value)
        assert moved == (not key.startswith("gamma")), key
    steps = [state["step"] for state in second["guide_optimizer"]["state"].values()]
    assert {int(step) for step in steps} == {2 * len(rows)}


def test_a_round_without_the_previous_guide_is_refused(play):
    first = play("round-1")
    with pytest.raises(
        LbtError, match=r"round-1/training_state\.pt: holds no guide, .* search\.cosearch .* search again"
    ):
        play("round-2", round=2, previous=first / "checkpoint.pt", cosearch=True)


def test_the_control_has_a_guide_that_never_moves(play, tiny):
    first = play("round-1", method="random", cosearch=True)
    rows = rows_of(first)
    assert all(row["guide_loss"] and not row["guide_val_loss"] and not row["fps"] for row in rows)
    assert len({row["guide_entropy_alpha"] for row in rows}) == 1
    second = play("round-2", method="random", round=2, previous=first / "checkpoint.pt", cosearch=True)
    assert (first / "guide.json").read_bytes() == (second / "guide.json").read_bytes()
    assert set(rows[0]) == set(rows_of(second)[0])


def test_the_training_state_belongs_to_the_same_round(play):
    first, other = play("round-1"), play("other", method="random")
    shutil.copy(other / "training_state.pt", first)
    with pytest.raises(LbtError, match=r"training_state\.pt: was made with method = random; these .* have fasterseg"):
        play("round-2", round=2, previous=first / "checkpoint.pt")


def test_the_training_state_is_an_input_of_every_later_round(play, monkeypatch):
    first = play("round-1")
    run = rounds.run

    @functools.wraps(run)
    def without_state(settings, files, **options):
        run(settings, replace(files, previous_state=None), **options)

    monkeypatch.setattr(rounds, "run", without_state)
    with pytest.raises(LbtError, match="round 2 was started with the input previous_state = None"):
        play("round-2", round=2, previous=first / "checkpoint.pt")


def test_the_output_for_the_guide_belongs_to_a_co_search(play, monkeypatch):
    run = rounds.run

    @functools.wraps(run)
    def without_guide(settings, files, **options):
        run(settings, replace(files, guide=None), **options)

    monkeypatch.setattr(rounds, "run", without_guide)
    with pytest.raises(LbtError, match=r"search\.cosearch is true, but .* guide = None"):
        play("round-1", cosearch=True)


def test_rows_hold_the_weight_and_the_frames_per_second_of_the_derived_network(play, tiny):
    place = play("plain", latency_weight=0.25)
    rows = rows_of(place)
    assert {row["latency_weight"] for row in rows} == {"0.25"}
    space, table = tiny.settings.space, read_table(tiny.table)
    architecture = architecture_from_json(json.loads((place / "architecture.json").read_text()), space)
    expected = 1000 / genotype_latency(derive_genotype(architecture, space), space, table)
    assert float(rows[-1]["fps"]) == pytest.approx(expected)


def test_the_next_round_has_the_steered_weight(play):
    fps = float(rows_of(play("plain"))[-1]["fps"])
    window = (1.05 * fps, 1.1 * fps)  # faster is wanted
    first = play("round-1", fps=window)
    assert {row["latency_weight"] for row in rows_of(first)} == {"0.01"}
    steered = content_of(first)["latency_weight"]
    assert steered == steer(0.01, fps, window) > 0.01
    assert f"latency_weight 0.01 -> {steered:g}" in (first / "log.txt").read_text()
    second = play("round-2", round=2, previous=first / "checkpoint.pt", fps=window)
    assert {float(row["latency_weight"]) for row in rows_of(second)} == {steered}
    # without a window the weight is that of the settings, whatever an earlier round steered to
    third = play("round-2-constant", round=2, previous=first / "checkpoint.pt")
    assert {row["latency_weight"] for row in rows_of(third)} == {"0.01"}


def test_the_control_is_not_steered(play):
    fps = float(rows_of(play("plain"))[-1]["fps"])
    place = play("round-1", method="random", fps=(1.05 * fps, 1.1 * fps))
    assert content_of(place)["latency_weight"] == 0.01


def test_a_steered_round_needs_the_weight_of_the_last_one(play):
    first = play("round-1") / "checkpoint.pt"
    rest = first.with_name("training_state.pt")
    content = torch.load(rest, weights_only=True)
    del content["latency_weight"]
    torch.save(content, rest)
    with pytest.raises(LbtError, match=r"holds no latency_weight, .* search\.fps"):
        play("round-2", round=2, previous=first, fps=(1.0, 1.0e6))


def test_a_table_of_another_key_is_refused_first(play, tiny, refused_by_key, tmp_path):
    refused_by_key(tiny.table, lambda table: play("round-1", table=table, previous=tmp_path / "absent.pt"))
