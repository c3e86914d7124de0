"""The surrogate of a table: its model against a direct computation, its honesty against noise."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from made_up_searches import write_searches, write_table
from table_report import Report, main
from table_searches import RUNS
from table_surrogate import FOLDS, PENALTIES, name_choices, predict_all, write

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.network.enumeration import genotype_text
from lbt.tabular.networks import order_networks
from lbt.tabular.table import Table, load

OPERATORS = ("conv", "zoom")
SPACE = SpaceSettings(layers=4, base_width=2, branches="32", width_twelfths=(4, 12), operators=OPERATORS)
"""128 networks: two operators in four cells, two widths in three."""
PART = "val-stretches"


def direct_variables() -> np.ndarray:
    """0/1 variables of the networks, (128, variables), from their text alone."""
    rows = []
    for genotype in order_networks(SPACE):
        cells = [word.split(":") for word in genotype_text(genotype).split()]
        own = [
            [float(operator == o) for o in OPERATORS] + ([float(width == w) for w in ("4", "12")] if n < 3 else [])
            for n, (operator, _, width) in enumerate(cells)
        ]
        products = [a * b for n in range(3) for a, b in product(own[n], own[n + 1])]
        rows.append([*own[0], *own[1], *own[2], *own[3], *products])
    return np.array(rows)


def table_of(quality: np.ndarray, networks: int, noise: float = 0.0) -> Table:
    draw = np.random.default_rng(1)
    texts = [genotype_text(genotype) for genotype in order_networks(SPACE)][:networks]
    rows = [
        {"network": n, "genotype": text, "seed": seed, f"miou_{PART}": quality[n] + noise * draw.normal()}
        for n, text in enumerate(texts)
        for seed in (0, 1)
    ]
    return Table(pd.DataFrame(rows), SPACE)


def quality_of(seed: int = 0) -> np.ndarray:
    variables = direct_variables()
    return 0.3 + variables @ np.random.default_rng(seed).normal(size=variables.shape[1]) * 0.01


def ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Weights and intercept by the normal equations; the intercept has no penalty."""
    weights = np.linalg.solve((x - x.mean(0)).T @ (x - x.mean(0)) + penalty * np.eye(x.shape[1]), (x - x.mean(0)).T @ y)
    return weights, float(y.mean() - x.mean(0) @ weights)


def choose(x: np.ndarray, y: np.ndarray) -> float:
    """The penalty with the least leave-one-out error, by as many fits."""
    errors = []
    for penalty in PENALTIES:
        error = 0.0
        for left in range(len(y)):
            kept = np.arange(len(y)) != left
            weights, intercept = ridge(x[kept], y[kept], penalty)
            error += (y[left] - x[left] @ weights - intercept) ** 2
        errors.append(error)
    return float(PENALTIES[int(np.argmin(errors))])


def test_the_names_are_the_variables() -> None:
    counts = [len(name_choices(genotype, SPACE.layers)) for genotype in order_networks(SPACE)]
    assert counts == list(direct_variables().sum(1)) and len(set(counts)) == 1


def test_fit_and_correlation_equal_a_direct_computation() -> None:
    table, x = table_of(quality_of(), 40, noise=0.02), direct_variables()
    found, scores = predict_all(table), table.scores(PART).to_numpy()
    penalty = choose(x[:40], scores)
    weights, intercept = ridge(x[:40], scores, penalty)
    assert found.penalties[PART] == pytest.approx(penalty)
    assert found.table.scores(PART).to_numpy() == pytest.approx(x @ weights + intercept)
    unseen = np.empty(40)
    for fold in range(FOLDS):
        own = np.arange(40) % FOLDS == fold
        kept_x, kept_y = x[:40][~own], scores[~own]
        weights, intercept = ridge(kept_x, kept_y, choose(kept_x, kept_y))
        unseen[own] = x[:40][own] @ weights + intercept
    assert found.correlations[PART] == pytest.approx(np.corrcoef(unseen, scores)[0, 1])


def test_noise_is_not_predicted_and_a_rule_is() -> None:
    noise = predict_all(table_of(np.full(128, 0.3), 100, noise=0.01))
    rule = predict_all(table_of(quality_of(3), 100, noise=0.001))
    assert abs(noise.correlations[PART]) < 0.4 and rule.correlations[PART] > 0.95
    expected, found = quality_of(3)[100:], rule.table.scores(PART).to_numpy()[100:]
    assert np.corrcoef(expected, found)[0, 1] > 0.95


def test_a_written_surrogate_is_a_table(tmp_path) -> None:
    found = predict_all(table_of(quality_of(), 60))
    write(found, tmp_path)
    table = load(tmp_path / "surrogate.csv")
    assert len(table.genotypes) == 128 and table.space == SPACE
    assert table.scores(PART).to_numpy() == pytest.approx(found.table.scores(PART).to_numpy(), abs=1e-5)
    with pytest.raises(LbtError, match="The table has 9 networks"):
        predict_all(table_of(quality_of(), 9))


@pytest.mark.parametrize("networks", [128, 60])
def test_the_report_completes_the_table(tmp_path, networks) -> None:
    path = write_table(tmp_path, SPACE)
    frame = pd.read_csv(path)
    frame[frame["network"] < networks].to_csv(path, index=False)
    architectures = write_searches(tmp_path, RUNS[:1], space=SPACE)
    out = tmp_path / "out"
    main([str(tmp_path), str(out)])
    table = load(path)
    scored = table if networks == 128 else predict_all(table).table
    rows = pd.read_csv(out / "searches.csv")
    row = rows[(rows["variant"] == "lbt-best") & (rows["seed"] == 1)].iloc[0]
    expected = 100 * float(scored.value(architectures["lbt-best", 1], PART))
    assert row[f"value_{PART}"] == pytest.approx(expected, abs=1e-4)
    assert (out / "surrogate.csv").exists() == (networks == 60)
    assert ("predicts all 128 networks" in (out / "tables.md").read_text()) == (networks == 60)
    if networks == 60:  # values on these images use a model of their own
        official = predict_all(table).correlations["val-official"]
        assert f"{official:.3f} on val-official" in (out / "tables.md").read_text()
    title, axis = Report(table, tmp_path, PART, measure=False).describe_scores()
    drawn = (out / "table.svg").read_text()
    assert title.startswith("128 networks, predicted from 60" if networks == 60 else "128 networks, split-half")
    assert axis.startswith("predicted") == (networks == 60) and f"<!-- {axis} -->" in drawn


def test_no_test_is_made_with_a_surrogate_that_predicts_nothing(tmp_path) -> None:
    path = write_table(tmp_path, SPACE)
    frame = pd.read_csv(path)
    frame = frame[frame["network"] < 60]
    frame[f"miou_{PART}"] = np.random.default_rng(0).uniform(0.3, 0.4, len(frame))
    frame.to_csv(path, index=False)
    write_searches(tmp_path, RUNS[:1], space=SPACE)
    with pytest.raises(SystemExit, match=r"the surrogate's correlation is below 0\.7\. The plan has no primary test"):
        main([str(tmp_path), str(tmp_path / "out"), "--final"])
