"""The stage that writes the card of each network: what it is, how good it is, and the lines that use it.

The card lies beside the file of the network, with its pictures, so that the folder can be given away as it is.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lbt.config.baselines import BASELINES
from lbt.config.network_jobs import CardsJob
from lbt.errors import visible
from lbt.files import atomic_path, write_text
from lbt.runtime.progress import Progress
from lbt.views.best_network import FinishedNetwork, Found, read_image_scores, read_network
from lbt.views.tables.formats import escape_markdown, format_percent
from lbt.views.tables.latency import describe_device

FIGURE, EXAMPLE = "architecture.png", "example.png"
"""Names of the pictures beside a card."""


@dataclass(frozen=True)
class Files:
    """Files of the stage. The lists have the same order, a file for each network; baselines come last.

    Attributes:
        scores: of the networks, in `.../<method>/seed-<seed>/`.
        images: mIoU of each image, in the same folders.
        pictures: folders of pictures, likewise.
        predictions: folders of predictions on evenly spaced images, likewise.
        profile: profiles of the derived networks.
        packed: the networks for people, each in a folder of its own.
        figure: PNG files of the derived networks; of baselines there are none, here and in `copied`.
        card: receive the cards, beside the networks.
        copied: receive the figures there.
        example: receive the first pictures there; empty for a run without pictures.
    """

    scores: tuple[Path, ...]
    images: tuple[Path, ...]
    pictures: tuple[Path, ...]
    predictions: tuple[Path, ...]
    profile: tuple[Path, ...]
    packed: tuple[Path, ...]
    figure: tuple[Path, ...]
    card: tuple[Path, ...]
    copied: tuple[Path, ...]
    example: tuple[Path, ...] = ()


def run(settings: CardsJob, files: Files, *, log: Path | None = None) -> None:
    """Write the card of each network, with copies of its figure and of the first picture of its predictions.

    Raises:
        LbtError: a file cannot be read or written.
    """
    networks = [read_network(*three) for three in zip(files.scores, files.profile, files.packed, strict=True)]
    found = Found(networks, (), settings.derivation.fps or settings.search.fps)
    examples = dict(zip(files.card, files.example, strict=True)) if files.example else {}
    with Progress("cards", len(networks), log) as progress:
        for figure, copied in zip(files.figure, files.copied, strict=True):
            _copy(figure, copied)
        for network, card in zip(networks, files.card, strict=True):
            shown = network.list_examples()[0] if card in examples else None
            if shown is not None:
                _copy(shown, examples[card])
            write_text(card, make_card(network, found, settings.data.root, shown))
            progress.advance()


def make_card(network: FinishedNetwork, found: Found, data: str, example: Path | None) -> str:
    """The card of a network in Markdown.

    Args:
        network: the network.
        found: all networks of its run.
        data: the folder of its data set.
        example: the picture of which the card has a copy; None without one.
    """
    return "\n".join(_lines(network, found, data, example)) + "\n"


def _lines(network: FinishedNetwork, found: Found, data: str, example: Path | None) -> Iterator[str]:
    control = " (control: nobody searched for it)" if network.is_control else network.mark
    yield f"# {network.title}{control}\n"
    if rank := found.describe_rank(network):
        yield f"{rank.strip()}\n"
    yield from _table(*zip(*((what, number) for number, what in network.numbers()), strict=True))
    if example is not None:
        miou = read_image_scores(network).get(example.name)
        score = "" if miou is None else f"; mIoU of this image {format_percent(miou)} %"
        yield f"\n![Image, ground truth and prediction]({EXAMPLE})\n"
        yield f"Image, ground truth and prediction of {escape_markdown(example.stem)}{score}."
    yield from _use(network)
    yield from _scores(network, data)
    yield "\n## Architecture\n"
    if network.is_baseline:
        facts = BASELINES[network.method]
        yield f"{facts.title} ({facts.source}), trained from random weights as the networks of this run are retrained."
    else:
        yield f"![The derived network]({FIGURE})"


def _use(network: FinishedNetwork) -> Iterator[str]:
    path = visible(str(network.packed), 10**6)
    yield "\n## Use\n"
    yield "From the folder in which the run was started:\n"
    yield "```"
    yield visible(network.predict_command(), 10**6)
    yield f"lbt export {shlex.quote(path)}"
    yield "```\n"
    yield "The first writes label maps and overlays into `predictions/`. The second writes an ONNX file here."
    yield "In Python:\n"
    yield "```python"
    yield "import lbt\n"
    yield f"network = lbt.load_network({json.dumps(path, ensure_ascii=False)})"
    yield 'labels = network("photo.jpg")  # (H, W), index into network.classes'
    yield "```"


def _scores(network: FinishedNetwork, data: str) -> Iterator[str]:
    profile, iou = network.profile, network.scores["iou"]
    absent = "; blank for a class that they do not show" if None in iou.values() else ""
    yield "\n## Scores\n"
    yield f"Data set: {escape_markdown(data)}. IoU in percent on its evaluation images, which no training stage"
    yield f"reads{absent}:\n"
    rows = ((escape_markdown(name), "" if value is None else format_percent(value)) for name, value in iou.items())
    yield from _table(("class", "IoU (%)"), *rows)
    predicted = profile["predicted_ms"]
    yield f"\nLatency of one image: median {profile['median_ms']:.2f} ms, 95th percentile {profile['p95_ms']:.2f} ms."
    if predicted is not None:
        yield f"The latency table predicted {predicted:.2f} ms."
    yield f"Measured on {escape_markdown(describe_device(profile))}. One image takes {profile['macs'] / 1e9:.3f} G"
    yield "multiply-accumulates. The settings of the run are in [settings.yaml](../../settings.yaml)."


def _table(titles: tuple[str, ...], *rows: tuple[str, ...]) -> Iterator[str]:
    for cells in (titles, ["---", *["---:"] * (len(titles) - 1)], *rows):
        yield f"| {' | '.join(cells)} |"


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_bytes(source.read_bytes())
