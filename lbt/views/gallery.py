"""The gallery of a round: one page with the image, label and confidence of every pseudo-labelled image.

The page opens offline and may hold any number of images. Its text holds the pictures, and `gallery.js` decodes a
picture when its card comes into view.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lbt.config.data import ImageFiles
from lbt.config.jobs import GalleryJob
from lbt.data.label_images import label_image
from lbt.data.sample import Sample
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.files import atomic_path
from lbt.pseudo_labels.read import LabelledImages, ShardHead, read_head, read_labelled_image
from lbt.pseudo_labels.statistics import count_image, mean_confidence, shares
from lbt.runtime.progress import Progress
from lbt.views.page import render_in_parts

WIDTH = 320
"""Largest width of a picture in pixels."""
SHADES = 24
"""Number of shades for confidence."""
_UNSURE_TO_SURE = ((0, 32, 77), (65, 77, 107), (124, 123, 120), (187, 173, 109), (255, 234, 70))
"""The colour map cividis in five colours: readable without red and green."""


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        shards: the round's pseudo labels.
        previous: those of the previous round; empty for the first.
        page: receives the gallery.
    """

    split: Path
    shards: tuple[Path, ...]
    previous: tuple[Path, ...]
    page: Path


def run(settings: GalleryJob, files: Files, *, log: Path | None = None) -> None:
    """Write the gallery of a round from its shards and from the shards of the previous round, if there is one.

    Raises:
        LbtError: a file is missing or damaged.
    """
    heads = {path: read_head(path) for path in files.shards}
    before = {path: read_head(path) for path in files.previous}
    number = next(iter(heads.values())).identity.round
    links = {
        "previous": f"../round-{number - 1}/{files.page.name}" if files.previous else None,
        "next": f"../round-{number + 1}/{files.page.name}" if number < settings.search.rounds else None,
    }
    samples = {sample.id: sample for sample in read_split(files.split, "unlabeled")}
    write_gallery(files.page, heads, before, samples, settings.data, links, log)


def write_gallery(
    path: Path,
    heads: Mapping[Path, ShardHead],
    before: Mapping[Path, ShardHead],
    samples: Mapping[str, Sample],
    data: ImageFiles,
    links: Mapping[str, str | None],
    log: Path | None = None,
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        heads: shards of the round, at least one.
        before: shards of the previous round, for counting changes; may be empty.
        samples: the images by identifier.
        data: the files of the data set.
        links: addresses, relative to `path`, of the `previous` and the `next` round's gallery, or None.
        log: a file for progress lines.

    Raises:
        LbtError: an image or a shard is missing or damaged.
    """
    head = next(iter(heads.values()))
    with (
        LabelledImages(heads) as now,
        LabelledImages(before) as previous,
        Progress(f"gallery of {head.title}", 2 * len(now), log) as progress,
        atomic_path(path) as temporary,
        open(temporary, "w", encoding="utf-8") as page,
    ):
        described = []
        for image_id in now:
            described.append(_describe(image_id, now, previous, len(head.classes)))
            progress.advance()
        facts = _collect_facts(head, links, described)
        gradient = ", ".join("rgb({} {} {})".format(*color) for color in _UNSURE_TO_SURE)
        title = f"Pseudo labels: {head.title}"

        def pictures() -> Iterator[tuple[int, str]]:
            """Pictures come last, so that a browser shows the page before it has read them."""
            for index, image_id in enumerate(now):
                if image_id not in samples:
                    raise LbtError(f"{path}: image {image_id} is not in the split. Label again, or name its own run.")
                label, confidence = now.read(image_id)
                image = read_labelled_image(Path(data.root) / samples[image_id].image, label, data.max_pixels)
                yield index, " ".join(_encode_pictures(image, label, confidence, head))
                progress.advance()

        values = {"title": title, "facts": facts, "gradient": gradient, "pictures": pictures()}
        page.writelines(render_in_parts("gallery.html", **values))


def _describe(image_id: str, now: LabelledImages, previous: LabelledImages, classes: int) -> dict[str, Any]:
    """Collect what filters, order and captions need of an image; shares and confidences are in thousandths."""
    label, confidence = now.read(image_id)
    counts = count_image(label, confidence, classes, previous.read(image_id) if image_id in previous else None)
    found = [
        [index, round(1000 * share, 1), round(1000 * mean_confidence(counts.confidence[index]))]
        for index, share in enumerate(shares(counts))
        if share > 0
    ]
    return {
        "id": image_id,
        "size": [label.shape[1], label.shape[0]],
        "confidence": round(1000 * mean_confidence(counts.confidence.sum(axis=0))),
        "changed": round(1000 * counts.changed.sum() / counts.compared.sum(), 1) if counts.images[1] else None,
        "classes": sorted(found, key=lambda entry: -entry[1]),
    }


def _collect_facts(head: ShardHead, links: Mapping[str, str | None], images: list[dict[str, Any]]) -> dict[str, Any]:
    """What `gallery.js` needs."""
    return {
        "round": head.identity.round,
        "links": links,
        "classes": head.classes,
        "colors": ["#{:02x}{:02x}{:02x}".format(*color) for color in head.colors],
        "images": images,
    }


def _encode_pictures(image: np.ndarray, label: np.ndarray, confidence: np.ndarray, head: ShardHead) -> list[str]:
    """Encode the image as WebP, label and confidence as PNG with a palette, each in base64."""
    width = min(WIDTH, label.shape[1])
    size = (width, max(1, round(label.shape[0] * width / label.shape[1])))
    labels = label_image(label, head.colors).resize(size, Image.Resampling.NEAREST)
    levels = np.asarray(Image.fromarray(confidence).resize(size, Image.Resampling.BOX)).astype(np.int64)
    shades = label_image(levels * (SHADES - 1) // 255, _interpolate_shades())
    return [
        _encode(Image.fromarray(image).resize(size, Image.Resampling.BOX), "WEBP", quality=70, method=2),
        _encode(labels, "PNG", optimize=True),
        _encode(shades, "PNG", optimize=True),
    ]


def _interpolate_shades() -> np.ndarray:
    """Colours (SHADES, 3) uint8, from unsure to sure."""
    places = np.linspace(0, len(_UNSURE_TO_SURE) - 1, SHADES)
    channels = zip(*_UNSURE_TO_SURE, strict=True)
    shades = [np.interp(places, range(len(_UNSURE_TO_SURE)), channel) for channel in channels]
    return np.round(shades).astype(np.uint8).T


def _encode(picture: Image.Image, kind: str, **options: Any) -> str:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return base64.b64encode(content.getvalue()).decode("ascii")
