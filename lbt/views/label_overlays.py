"""Pictures of a round's pseudo labels: each image with its label over it, and a legend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lbt.config.data import ImageFiles
from lbt.data.images import write_png
from lbt.data.label_images import legend_image, overlay_image
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.pseudo_labels.read import LabelledImages, ShardHead, read_labelled_image
from lbt.runtime.progress import Progress

OPACITY = 0.5
"""Opacity of the colours over an image."""


def write_overlays(
    folder: Path, heads: Mapping[Path, ShardHead], samples: Mapping[str, Sample], data: ImageFiles
) -> Path:
    """Write `<method>-seed-<s>-round-<r>/<image id>.png` for every image of a round, and `legend.png` beside them.

    Args:
        folder: receives the round's folder; files of the same names are replaced.
        heads: shards of the round, at least one.
        samples: the images by identifier.
        data: the files of the data set.

    Returns:
        The round's folder.

    Raises:
        LbtError: an image or a shard is missing or damaged, or a file cannot be written.
    """
    head = next(iter(heads.values()))
    place = folder / head.file_name
    refuse_links(folder, place / "legend.png")
    with LabelledImages(heads) as images, Progress(f"overlays of {head.title}", len(images)) as progress:
        write_png(place / "legend.png", legend_image(head.classes, head.colors))
        for image_id in images:
            if image_id not in samples:
                raise LbtError(f"{place}: image {image_id} is not in the split. Label again, or name its own run.")
            file = place / f"{image_id}.png"
            refuse_links(folder, file)
            label, _ = images.read(image_id)
            pixels = read_labelled_image(Path(data.root) / samples[image_id].image, label, data.max_pixels)
            write_png(file, overlay_image(pixels, label, head.colors, OPACITY))
            progress.advance()
    return place


def refuse_links(folder: Path, file: Path) -> None:
    """Refuse to write a file below a folder through a link that leads to another folder.

    Raises:
        LbtError: names the link.
    """
    for outer in file.parents[: len(file.relative_to(folder).parts) - 1]:
        if outer.is_symlink():
            raise LbtError(f"{outer}: is a link to another folder. Remove it, or name another folder with --png.")
