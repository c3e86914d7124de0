"""How much the supernet needs each operator: the rise of its loss if a cell loses it.

Source: Wang et al., Rethinking Architecture Selection in Differentiable NAS, ICLR 2021, section 4. The probability of
an operator need not say how much it contributes. Therefore this stage decides the cells one after another, in random
order: it removes each operator in turn, and the cell keeps the one without which the loss is highest. The paper trains
the supernet between two decisions; here its weights stay as the search left them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbt.config import SpaceSettings
from lbt.config.network_jobs import OperatorsJob
from lbt.data.classes import IGNORE, class_table
from lbt.data.dataset import Items, SegmentationDataset
from lbt.data.loader import decode_items, evaluation_batches
from lbt.data.sample import spread_indices
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.files import read_json, write_json
from lbt.network.candidates import Rule
from lbt.network.derivation_rule import candidate_paths, most_probable_path, path_scales
from lbt.network.genotype import BRANCH_SCALES
from lbt.runtime.device import prepare_device
from lbt.runtime.distributed import ALONE
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import generator
from lbt.space.architecture import (
    OPERATORS,
    Architecture,
    OperatorName,
    alpha_row,
    architecture_from_json,
    architecture_to_json,
)
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import load_supernet
from lbt.space.widths import argmax_widths
from lbt.training.losses import supernet_loss

Cell = tuple[int, int]
"""Layer and scale."""
Loss = Callable[[Architecture], float]
"""The supernet's loss at the given logits."""
HELD_IMAGES = 128
"""Most decoded images in memory; more are decoded again for each removal."""


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        checkpoint: of the last round; its supernet gives the weights.
        architecture: the logits after the same round.
        operators: receives a row per decision as CSV.
        scored: receives the logits as JSON. In the cells that were decided, the rise of the loss replaces alpha.
    """

    split: Path
    checkpoint: Path
    architecture: Path
    operators: Path
    scored: Path


def run(settings: OperatorsJob, files: Files, *, resume: Resume | None = None, log: Path | None = None) -> None:
    """Score the operators of the cells that a derived network may have.

    Args:
        resume: saved state from which an interrupted run resumes; None saves none.

    Raises:
        LbtError: a file does not fit these settings, or the images have no labelled pixel.
    """
    space, classes, device = settings.space, class_table(settings.data), prepare_device(settings.compute)
    logits = architecture_from_json(read_json(files.architecture), space, str(files.architecture))
    supernet, _, _ = load_supernet(files.checkpoint, classes.names, space, device)
    samples = read_split(files.split, "teacher_val")
    chosen = [samples[i] for i in spread_indices(len(samples), settings.derivation.images or len(samples))]
    dataset = SegmentationDataset(chosen, settings.data, classes)
    workers = settings.compute.workers
    held: Items = dataset
    if len(dataset) <= HELD_IMAGES:
        workers, held = 0, decode_items(dataset, range(len(dataset)), workers)

    def batches() -> Any:
        return evaluation_batches(held, settings.evaluation.batch_size, settings.data, workers=workers, device=device)

    if not any((labels != IGNORE).any() for _, labels in batches()):
        raise LbtError(
            f"derivation.images: the {len(chosen)} images of {files.split} have no labelled pixel. Take more."
        )
    cells, order = cells_of_paths(logits, space, settings.derivation.rule), generator(settings.seed, "operator removal")
    cells = [cells[i] for i in torch.randperm(len(cells), generator=order).tolist()]
    with Progress(f"operators {settings.method} seed-{settings.seed}", len(cells), log) as progress:
        loss = supernet_loss_on(supernet, logits, batches, device)
        rows = decide_cells(cells, logits, loss, progress, resume, choices=space.operators)
    write_metrics(files.operators, rows)
    write_json(files.scored, architecture_to_json(replace_alpha(logits, rows, space.operators)))


def cells_of_paths(architecture: Mapping[str, Tensor], space: SpaceSettings, rule: Rule) -> list[Cell]:
    """The cells of all paths that may be derived, in the order of layers and scales.

    Args:
        architecture: the logits.
        space: the search space.
        rule: `search` may derive every path, the other rules the most probable one.
    """
    found = set()
    for scale in {scale for scales in BRANCH_SCALES[space.branches] for scale in scales}:
        if rule == "search":
            paths = candidate_paths(space.layers, scale)
        else:
            paths = [most_probable_path(architecture, space.layers, scale, rule)]
        found |= {cell for path in paths for cell in enumerate(path_scales(path, space.layers))}
    return sorted(found)


def decide_cells(
    cells: Sequence[Cell],
    architecture: Architecture,
    loss: Loss,
    progress: Progress,
    resume: Resume | None = None,
    *,
    choices: Sequence[OperatorName] = OPERATORS,
) -> list[dict[str, Any]]:
    """Decide one cell after another: each keeps the operator without which the loss is highest, the first of equals.

    Args:
        cells: in the order of the decisions.
        architecture: the logits; they do not change.
        loss: computes the loss.
        progress: counts the cells.
        resume: saved rows from which an interrupted run resumes.
        choices: the operators of the space; if there is only one, every cell keeps it.

    Returns:
        A row per cell: turn, layer, scale, the loss before, for each operator the rise of the loss without it, and the
        operator that the cell keeps.

    Raises:
        LbtError: a loss is not finite.
    """
    resume = resume or Resume()
    rows: list[dict[str, Any]] = []
    for turn, (layer, scale) in resume.steps(cells[resume.step :], {"rows": rows}, progress):
        decided = architecture
        for row in rows:
            others = [operator for operator in choices if operator != row["kept"]]
            decided = without(decided, (row["layer"], row["scale"]), others, choices)
        before = loss(decided)
        rises = [0.0]
        if len(choices) > 1:
            rises = [loss(without(decided, (layer, scale), [name], choices)) - before for name in choices]
        if not all(map(math.isfinite, rises)):
            raise LbtError(
                f"The loss of the supernet without an operator of layer {layer} at 1/{scale} is not finite. The search "
                "has lost its weights: lower its learning rates, and search again."
            )
        row = {"turn": turn, "layer": layer, "scale": scale, "loss": before, **dict(zip(choices, rises, strict=True))}
        rows.append(row | {"kept": choices[rises.index(max(rises))]})
        progress.advance(loss=before)
    return rows


def without(
    architecture: Architecture, cell: Cell, operators: Sequence[str], choices: Sequence[OperatorName] = OPERATORS
) -> Architecture:
    """The logits with some operators of a cell excluded; the softmax shares their probability among the others.

    Args:
        architecture: the logits; they do not change.
        cell: whose operators are excluded.
        operators: the excluded ones.
        choices: the operators of the space.
    """
    layer, scale = cell
    alpha = architecture[f"alpha.{scale}"].clone()
    alpha[alpha_row(layer, scale), [choices.index(name) for name in operators]] = -math.inf
    return {**architecture, f"alpha.{scale}": alpha}


def replace_alpha(
    architecture: Architecture, rows: Sequence[Mapping[str, Any]], choices: Sequence[OperatorName] = OPERATORS
) -> Architecture:
    """The logits with the rises of the loss as alpha in the cells of `rows`, from which the usual rule derives.

    `choices` are the operators of the space.
    """
    found = {key: logits.clone() for key, logits in architecture.items()}
    for row in rows:
        found[f"alpha.{row['scale']}"][alpha_row(row["layer"], row["scale"])] = torch.tensor(
            [row[name] for name in choices]
        )
    return found


def supernet_loss_on(
    supernet: Supernet, architecture: Architecture, batches: Callable[[], Any], device: torch.device
) -> Loss:
    """The mean over images of the loss with which the search trains, at the most probable widths.

    BatchNorm uses the statistics of each batch, as in the steps of the search, because those of the whole supernet do
    not fit one without an operator.

    Args:
        supernet: only its running statistics change, which nothing reads.
        architecture: its gamma gives the widths.
        batches: yields images and labels from the beginning at each call.
        device: of the supernet.
    """
    widths = argmax_widths(architecture, supernet.space)
    supernet.train()

    @torch.no_grad()
    def loss(logits: Architecture) -> float:
        total, count = 0.0, 0
        for images, labels in batches():
            outputs = supernet(images.to(device), logits, widths)
            total += len(images) * float(supernet_loss(outputs, labels.to(device), ALONE))
            count += len(images)
        return total / count

    return loss
