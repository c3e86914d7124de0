"""How far each search decided: entropies and distances of its logits, beside those that noise alone gives."""

from __future__ import annotations

import pandas as pd

from lbt.views.tables.decisiveness import UNDECIDED, Found, warn_of_undecided
from lbt.views.tables.formats import Column, Table, format_columns

NOTE = (
    "Alpha: logits of the operators; beta: of the predecessors, which decide the paths; gamma: of the widths. Entropy "
    "is 1 if all choices are equally probable, and 0 if all are decided. Moved is the distance from the start of the "
    "search: root mean square over the logits, without the mean of each row. By noise: the same after as many steps of "
    "the same optimiser with random gradients, as long as those of the search. Against noise: moved, divided by moved "
    f"by noise. At 1 the search looks like noise. Below {UNDECIDED:.2f} noise explains more than half of the squared "
    "distance. Top operator is the largest probability of an operator, averaged over the cells; "
    "without a preference it is 1 / number of operators. Controls do not search, so they have no row."
)
_COLUMNS = {
    "method": Column("method"),
    "seed": Column("seed"),
    "logits": Column("logits"),
    "entropy": Column("entropy", "{:.4f}".format),
    "noise_entropy": Column("entropy by noise", "{:.4f}".format),
    "distance": Column("moved", "{:.4f}".format),
    "noise_distance": Column("moved by noise", "{:.4f}".format),
    "noise_ratio": Column("against noise", "{:.2f}".format),
    "operator_probability": Column("top operator", "{:.4f}".format),
}


def make_decisions_table(choices: Found) -> Table:
    """A row per method, seed and kind of logits."""
    rows = [
        {
            "method": method,
            "seed": seed,
            "logits": kind,
            "entropy": movement.entropy,
            "noise_entropy": movement.noise_entropy,
            "distance": movement.distance,
            "noise_distance": movement.noise_distance,
            "noise_ratio": movement.ratio,
            "operator_probability": found.operator if kind == "alpha" else float("nan"),
        }
        for (method, seed), found in choices.items()
        for kind, movement in found.movements.items()
    ]
    values = pd.DataFrame(rows, columns=list(_COLUMNS))
    warnings = tuple(filter(None, [warn_of_undecided(choices)]))
    people = format_columns(values, _COLUMNS)
    return Table("decisions", "How far the search decided", NOTE, values, people, warnings)
