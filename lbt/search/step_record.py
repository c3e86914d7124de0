"""One row of a round's `metrics.csv`: its columns, their order and their values."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import torch

from lbt.search.cosearch import guide_entropies
from lbt.search.state import SearchState
from lbt.space.architecture import entropies
from lbt.training.optimizers import GuardedStep

Row = dict[str, float | int]


class StepRecord:
    """The row of one step. A quantity that the method does not have, or that a skipped update did not give, is NaN.

    Args:
        state: the state of the search; it determines the columns.
        round: the round, from 1.
        step: the step within the round, from 0.
    """

    def __init__(self, state: SearchState, round: int, step: int) -> None:
        self._started = time.monotonic()
        self._row: Row = {"round": round, "step": step, "latency_weight": state.latency_weight}
        self._row |= dict.fromkeys(_step_columns(state), math.nan)

    def add(self, values: Mapping[str, float]) -> None:
        """Fill the columns that a part of the step measured."""
        self._row |= values

    def finish(self, state: SearchState, guards: Mapping[str, GuardedStep]) -> Row:
        """The whole row, with the state after the step: entropies, skipped updates, learning rates, seconds."""
        row = self._row | (guide_entropies(state.guide) if state.guide is not None else {})
        row |= {f"entropy_{name}": value for name, value in entropies(state.architecture).items()}
        row |= {f"skipped_{name}": guard.skipped for name, guard in guards.items()}
        optimizers: dict[str, torch.optim.Optimizer] = {"teacher": state.teacher_optimizer}
        optimizers |= {"architecture": state.architecture_optimizer, **state.partner.optimizers}
        row |= {f"lr_{name}": optimizer.param_groups[0]["lr"] for name, optimizer in optimizers.items()}
        return row | {"seconds": round(time.monotonic() - self._started, 4)}


def _step_columns(state: SearchState) -> list[str]:
    """The columns that the parts of a step fill, in the order of `metrics.csv`."""
    partner, cosearch = state.partner, state.guide is not None
    return [
        "teacher_loss",
        *(["guide_loss"] if cosearch else []),
        "teacher_weight_gradient_norm",
        *partner.COLUMNS,
        *("teacher_val_loss", f"{partner.NAME}_val_loss", "latency_ms"),
        *("teacher_gradient_norm", f"{partner.NAME}_gradient_norm", f"{partner.NAME}_factor"),
        *("second_order_gradient_norm", "latency_gradient_norm", "entropy_gradient_norm", "architecture_gradient_norm"),
        *(f"teacher_{partner.NAME}_cosine", "second_order_cosine", "fps"),
        *(["guide_val_loss", "guide_gradient_norm"] if cosearch else []),
        *partner.AFTER_COLUMNS,
    ]


def select_progress_values(row: Row) -> dict[str, float]:
    """The values of a row that the progress line shows, by their short names."""
    names = {"teacher_loss": "loss", "student_loss": "student", "tester_loss": "tester", "teacher_val_loss": "val"}
    names["latency_ms"] = "ms"
    shown = {short: row[name] for name, short in names.items() if name in row and math.isfinite(row[name])}
    skipped = sum(value for name, value in row.items() if name.startswith("skipped_"))
    return shown | ({"skipped": skipped} if skipped else {})
