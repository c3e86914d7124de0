"""The stage that draws the figures of each method and seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from lbt.config import SpaceSettings
from lbt.files import read_json
from lbt.network.genotype import read_genotype
from lbt.runtime.progress import Progress
from lbt.views.figures.architecture import draw_architecture
from lbt.views.figures.confusion import draw_confusion
from lbt.views.figures.derived import draw_network
from lbt.views.figures.style import save, use_style
from lbt.views.results import identify


def run(
    *,
    space: SpaceSettings,
    architecture: Sequence[Path],
    genotype: Sequence[Path],
    network: Sequence[Path],
    folder: Path,
    log: Path | None = None,
) -> None:
    """Write `folder`/<method>/seed-<seed>/{architecture,network,confusion}.{svg,png} of every network.

    A network without files in `architecture` was not derived from one, and has no such figure.

    Args:
        space: the search space.
        architecture: logits after each round of the searched networks, in `.../<method>/seed-<seed>/round-<round>/`.
        genotype: discrete networks, in `.../<method>/seed-<seed>/`.
        network: scores of the retrained networks, in the same order.
        folder: receives the figures.
        log: file for plain progress lines.
    """
    searched = {identify(path.parent) for path in architecture}
    with Progress("figures of networks", 2 * len(network) + len(searched), log) as progress, use_style():
        for discrete, scores in zip(genotype, network, strict=True):
            method, seed = identify(scores)
            rounds = [path for path in architecture if identify(path.parent) == (method, seed)]
            for name, figure in _draw(f"{method}, seed {seed}", rounds, discrete, scores, space):
                save(figure, folder / method / f"seed-{seed}" / name)
                progress.advance()


def _draw(
    title: str, rounds: Sequence[Path], genotype: Path, scores: Path, space: SpaceSettings
) -> Iterator[tuple[str, Figure]]:
    """Name and figure; `rounds` may come in any order."""
    in_turn = sorted(rounds, key=lambda path: int(path.parent.name.removeprefix("round-")))
    if in_turn:
        yield "architecture", draw_architecture([read_json(path) for path in in_turn], space, title)
    yield "network", draw_network(read_genotype(genotype, space), space, f"Derived network: {title}")
    result = read_json(scores)
    yield "confusion", draw_confusion(result["confusion"], list(result["iou"]), f"Retrained network: {title}")
