"""V(A) of a table, its gradient, ranks, and files that are no table; all against sums by hand."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import lbt.tabular
from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.derivation_rule import derive_genotype
from lbt.network.enumeration import genotype_text, list_genotypes
from lbt.space.architecture import Architecture, initial_architecture, probabilities
from lbt.tabular.noise import complete_scores, split_half_reliability
from lbt.tabular.table import load

SPACE = SpaceSettings(
    layers=4, base_width=4, branches="32", width_twelfths=(8,), operators=("conv", "zoom", "conv_2x", "zoom_2x")
)
CELLS = (("alpha.8", 0), ("alpha.8", 1), ("alpha.16", 1), ("alpha.32", 1))
"""Rows of A that decide the operators: of layers 0 and 1 at 1/8, 2 at 1/16, 3 at 1/32."""


@pytest.fixture
def frame() -> pd.DataFrame:
    draw, texts = np.random.default_rng(1), [genotype_text(g) for g in list_genotypes(SPACE)]
    places = draw.permutation(len(texts))
    rows = [
        {"network": int(n), "genotype": t, "seed": s, "miou_all": draw.random(), "miou_val": draw.random()}
        for n, t in zip(places, texts, strict=True)
        for s in (0, 1, 2)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def architecture() -> Architecture:
    logits = initial_architecture(SPACE, torch.Generator().manual_seed(2))
    return {key: 900 * value for key, value in logits.items()}


def write(folder: Path, frame: pd.DataFrame, space: SpaceSettings = SPACE) -> Path:
    frame.to_csv(folder / "table.csv", index=False)
    (folder / "table.json").write_text(json.dumps({"space": space.model_dump(mode="json")}))
    return folder / "table.csv"


def brute_force(frame: pd.DataFrame, architecture: Architecture, column: str) -> float:
    """The sum over all networks, each probability as a product of four."""
    weights, total = probabilities({key: value.double() for key, value in architecture.items()}), 0.0
    for text, score in frame.groupby("genotype")[column].mean().items():
        operators = [word.split(":")[0] for word in str(text).split(" ")]
        chances = [
            float(weights[k][row][SPACE.operators.index(o)]) for (k, row), o in zip(CELLS, operators, strict=True)
        ]
        total += float(np.prod(chances)) * score
    return total


@pytest.mark.parametrize("part", ["all", "val"])
def test_value_is_the_sum_over_all_networks(tmp_path, frame, architecture, part) -> None:
    table = load(write(tmp_path, frame))
    assert table.parts == ["all", "val"] and len(table.genotypes) == 256
    assert float(table.value(architecture, part)) == pytest.approx(brute_force(frame, architecture, f"miou_{part}"))
    uniform = {key: torch.zeros_like(value) for key, value in architecture.items()}
    assert float(table.value(uniform, part)) == pytest.approx(frame[f"miou_{part}"].mean())


def test_value_of_a_decided_architecture_is_the_score_of_the_derived_network(tmp_path, frame, architecture) -> None:
    table = load(write(tmp_path, frame))
    derived = derive_genotype(architecture, SPACE)
    decided = {
        key: torch.nn.functional.one_hot(rows.argmax(-1), rows.shape[1]).float().log()
        for key, rows in architecture.items()
    }
    rows = frame[frame["genotype"] == genotype_text(derived)]
    assert len(rows) == 3
    assert float(table.value(decided)) == pytest.approx(rows["miou_all"].mean())


def test_gradient_equals_central_differences_and_the_closed_form(tmp_path, frame, architecture) -> None:
    table, step = load(write(tmp_path, frame)), 1e-5
    found = table.gradient(architecture)
    value = float(table.value(architecture))
    for key, rows in architecture.items():
        for place in np.ndindex(*rows.shape):
            sides = []
            for sign in (1, -1):
                moved = {name: logits.double().clone() for name, logits in architecture.items()}
                moved[key][place] += sign * step
                sides.append(float(table.value(moved)))
            assert float(found[key][place]) == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-9)
    for key, row in CELLS:  # p_o * (mean score of the networks with operator o, minus V)
        chances = architecture[key][row].double().softmax(-1)
        for column in range(4):
            only = {name: logits.double().clone() for name, logits in architecture.items()}
            only[key][row] = -torch.inf
            only[key][row, column] = 0.0
            expected = float(chances[column]) * (float(table.value(only)) - value)
            assert float(found[key][row, column]) == pytest.approx(expected, abs=1e-12)
    assert sum(bool(rows.abs().max() > 1e-4) for rows in found.values()) == 3


def test_percentile_counts_the_other_networks(tmp_path, frame) -> None:
    table = load(write(tmp_path, frame))
    means = frame.groupby("genotype")["miou_all"].mean().sort_values()
    by_text = {genotype_text(g): g for g in list_genotypes(SPACE)}
    for place in (0, 100, 255):
        assert table.percentile(by_text[means.index[place]]) == pytest.approx(100 * place / 255)
    frame.loc[frame["genotype"].isin(means.index[[100, 101]]), "miou_all"] = means.iloc[100]
    tied = load(write(tmp_path, frame))
    assert tied.percentile(by_text[means.index[101]]) == pytest.approx(100 * 100.5 / 255)


def test_reliability_is_that_of_the_complete_networks(tmp_path, frame) -> None:
    table = load(write(tmp_path, frame.drop(index=0)))
    assert complete_scores(table.frame, "miou_val").shape == (255, 3)
    assert table.reliability("val") == split_half_reliability(complete_scores(table.frame, "miou_val"))
    with pytest.raises(LbtError, match="choose from all, val"):
        table.reliability("test")


def test_part_of_a_table_ranks_but_has_no_value(tmp_path, frame, architecture) -> None:
    table = load(write(tmp_path, frame[frame["network"] < 32]))
    assert len(table.scores()) == 32 and [genotype_text(g) for g in table.genotypes] == list(table.scores().index)
    with pytest.raises(LbtError, match="32 of the space's 256 networks"):
        table.value(architecture)


def change(column: str, value: object):
    def apply(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object})
        frame.loc[4, column] = value
        return frame

    return apply


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("genotype", "conv:1:8"), r"table\.csv:6: genotype: conv:1:8 is no network of the space"),
        (change("miou_val", 1.5), r"table\.csv:6: miou_val: 1\.5 is not a score from 0 to 1"),
        (change("miou_val", "high"), r"table\.csv:6: miou_val: high is not a score"),
        (change("miou_all", None), r"table\.csv:6: miou_all: nan is not a score"),
        (change("seed", 0), r"table\.csv:6: seed: 0 is listed twice for its network"),
        (change("seed", 0.5), r"seed: holds other values than whole numbers"),
        (change("network", 999), r"network: \d+ is not the same in all rows"),
        (lambda frame: frame.drop(columns="seed"), "lacks the column seed"),
        (lambda frame: frame.drop(columns=["miou_all", "miou_val"]), "lacks the column miou_all"),
    ],
)
def test_file_that_is_no_table_is_refused(tmp_path, frame, spoil, message) -> None:
    path = write(tmp_path, spoil(frame))
    with pytest.raises(
        LbtError, match=re.escape(str(path)).replace(r"table\.csv", "") + ".*" + message.removeprefix(r"table\.csv")
    ):
        load(path)


def test_damaged_and_missing_files_are_refused(tmp_path, frame) -> None:
    path = write(tmp_path, frame)
    (tmp_path / "table.json").write_text('{"space": {"layers": "many"}}')
    with pytest.raises(LbtError, match=r"table\.json: holds no search space"):
        load(path)
    write(tmp_path, frame)
    for content in (b"", b"\xff\xfe\x00", b'a,b\n"1,2\n'):
        path.write_bytes(content)
        with pytest.raises(LbtError, match=r"table\.csv: "):
            load(path)
    path.unlink()
    with pytest.raises(LbtError, match=r"table\.csv: is missing"):
        load(path)


def test_the_package_has_the_loader():
    assert lbt.tabular.load is load
    assert not hasattr(lbt.tabular, "lode")


def test_the_published_pilot_is_a_table():
    pilot = Path(__file__).resolve().parents[2] / "results" / "published" / "lbt-bench" / "pilot" / "table.csv"
    scores = load(pilot).scores("val-stretches")
    assert len(scores) == 32 and 0.28 < scores.min() < scores.max() < 0.33
