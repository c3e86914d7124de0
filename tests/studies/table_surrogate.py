"""Predicted scores of all networks of a space, from a table that holds some of them.

    python tests/studies/table_surrogate.py TABLE FOLDER

FOLDER receives `surrogate.csv` and `surrogate.json`, which `lbt.tabular.load` reads as a table. The plan in
results/published/lbt-bench/PLAN.md fixes the model: ridge regression on the choices of the cells and the products of
neighbouring cells.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from lbt.errors import LbtError
from lbt.files import software_versions, write_json, write_text
from lbt.network.enumeration import genotype_text
from lbt.network.genotype import Cell, Genotype
from lbt.tabular.networks import order_networks
from lbt.tabular.table import PREFIX, Table, load

PENALTIES = 10.0 ** np.arange(-3, 4.5, 0.5)
FOLDS = 10
LEAST_CORRELATION = 0.7
"""Below it, the plan has no primary test."""


@dataclass(frozen=True)
class Surrogate:
    """Predictions for all networks of a space.

    Attributes:
        table: a row per network with predicted scores, seed 0.
        correlations: by part of the held-out images, Pearson's correlation of measured scores with predictions of
            models that had not seen the network.
        penalties: by part, that of the final model.
    """

    table: Table
    correlations: Mapping[str, float]
    penalties: Mapping[str, float]


def name_choices(genotype: Genotype, layers: int) -> dict[str, float]:
    """The variables of a network that are 1; all others are 0.

    These are the operator of each cell, the width of each but the last layer's, which is not chosen, and the products
    of those of neighbouring cells.
    """
    names: set[str] = set()
    for branch in genotype.branches:
        cells = [list(_choices_of_cell(cell, layers)) for cell in branch.cells]
        names.update(*cells)
        names.update(f"{a} x {b}" for first, second in pairwise(cells) for a in first for b in second)
    return dict.fromkeys(names, 1.0)


def _choices_of_cell(cell: Cell, layers: int) -> Iterator[str]:
    place = f"layer {cell.layer} scale {cell.scale}"
    yield f"{place} {cell.operator}"
    if cell.layer + 1 < layers:
        yield f"{place} width {cell.width_twelfths}"


def predict_all(table: Table) -> Surrogate:
    """Fit the networks of a table, and predict all networks of its space.

    Raises:
        LbtError: the table has fewer networks than folds.
    """
    networks = order_networks(table.space)
    numbers = {genotype_text(genotype): number for number, genotype in enumerate(networks)}
    variables = DictVectorizer(sparse=False).fit_transform([name_choices(g, table.space.layers) for g in networks])
    frame, correlations, penalties = pd.DataFrame({"network": numbers.values(), "genotype": numbers.keys()}), {}, {}
    frame["seed"] = 0
    for part in table.parts:
        scores = table.scores(part)
        if len(scores) < FOLDS:
            raise LbtError(f"The table has {len(scores)} networks. A surrogate needs at least {FOLDS}.")
        known = np.array([numbers[text] for text in scores.index])
        model = RidgeCV(PENALTIES)  # of a fit, by leave-one-out error
        folds = PredefinedSplit(known % FOLDS)
        unseen = cross_val_predict(model, variables[known], scores, cv=folds)
        correlations[part] = float(np.corrcoef(unseen, scores)[0, 1])
        model.fit(variables[known], scores)
        penalties[part] = float(model.alpha_)
        frame[PREFIX + part] = model.predict(variables)
    return Surrogate(Table(frame, table.space), correlations, penalties)


def write(surrogate: Surrogate, folder: Path) -> None:
    """Write `surrogate.csv` and `surrogate.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "space": surrogate.table.space.model_dump(mode="json"),
        "surrogate": {"correlations": dict(surrogate.correlations), "penalties": dict(surrogate.penalties)},
        "versions": software_versions(),
    }
    write_json(folder / "surrogate.json", facts)
    frame = surrogate.table.frame
    write_text(folder / "surrogate.csv", frame.to_csv(index=False, lineterminator="\n", float_format="%.5f"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, metavar="TABLE")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    try:
        surrogate = predict_all(load(options.table))
        write(surrogate, options.folder)
    except LbtError as error:
        sys.exit(str(error))
    for part, correlation in surrogate.correlations.items():
        print(f"{part}: correlation {correlation:.3f}, penalty {surrogate.penalties[part]:g}")


if __name__ == "__main__":
    main()
