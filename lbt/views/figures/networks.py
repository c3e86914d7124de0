"""The stage that draws the figures of each method and seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from lbt.config import SpaceSettings
from lbt.config.network_jobs import DrawJob
from lbt.files import read_json
from lbt.network.genotype import read_genotype
from lbt.runtime.progress import Progress
from lbt.space.architecture import architecture_from_json
from lbt.views.figures.architecture import draw_architecture
from lbt.views.figures.confusion import draw_confusion
from lbt.views.figures.derived import draw_network
from lbt.views.figures.style import save, use_style
from lbt.views.results import Confusion, identify, read_part


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        architecture: logits after each round of the searched networks, in `.../<method>/seed-<seed>/round-<round>/`.
        genotype: discrete networks, in `.../<method>/seed-<seed>/`; baselines have none.
        network: scores of the retrained networks, likewise.
        svg: receive the figures, `<method>/seed-<seed>/{architecture,network,confusion}.svg`.
        png: receive the same figures as pixels.
    """

    architecture: tuple[Path, ...]
    genotype: tuple[Path, ...]
    network: tuple[Path, ...]
    svg: tuple[Path, ...]
    png: tuple[Path, ...]


def run(settings: DrawJob, files: Files, *, log: Path | None = None) -> None:
    """Draw the figures of every network.

    A network without files in `architecture` was not derived from one, and has no such figure; without a file in
    `genotype` it has no figure of its cells.
    """
    folder = files.svg[0].parents[2]
    genotypes = {identify(path): path for path in files.genotype}
    searched = {identify(path.parent) for path in files.architecture}
    count = len(genotypes) + len(files.network) + len(searched)
    with Progress("figures of networks", count, log) as progress, use_style():
        for scores in files.network:
            method, seed = identify(scores)
            discrete = genotypes.get((method, seed))
            rounds = [path for path in files.architecture if identify(path.parent) == (method, seed)]
            for name, figure in _draw(f"{method}, seed {seed}", rounds, discrete, scores, settings.space):
                save(figure, folder / method / f"seed-{seed}" / name)
                progress.advance()


def _read_logits(path: Path, space: SpaceSettings) -> Any:
    logits = read_json(path)
    architecture_from_json(logits, space, str(path))  # refuses what is none
    return logits


def _draw(
    title: str, rounds: Sequence[Path], genotype: Path | None, scores: Path, space: SpaceSettings
) -> Iterator[tuple[str, Figure]]:
    """Name and figure; `rounds` may come in any order."""
    in_turn = sorted(rounds, key=lambda path: int(path.parent.name.removeprefix("round-")))
    if genotype is not None:
        derived = read_genotype(genotype, space)
        if in_turn:
            logits = [_read_logits(path, space) for path in in_turn]
            yield "architecture", draw_architecture(logits, space, title, derived)
        yield "network", draw_network(derived, space, f"Derived network: {title}")
    result = read_part(scores, Confusion)
    yield "confusion", draw_confusion(result["confusion"], list(result["iou"]), f"Retrained network: {title}")
