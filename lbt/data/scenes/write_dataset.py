"""Street scenes drawn from a seed, written as a data set in the Cityscapes layout."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from random import Random

from PIL import Image

from lbt.config import DataSettings, SceneSettings
from lbt.data.images import write_png
from lbt.data.scenes.street import draw_street
from lbt.data.scenes.style import city_style
from lbt.errors import LbtError
from lbt.files import digest, write_json
from lbt.runtime.progress import Progress

CITIES = {
    "train": ("alder", "birch", "cedar", "elm", "hazel", "linden", "maple", "rowan"),
    "val": ("ash", "willow"),
    "test": ("beech", "oak", "pine"),
}
"""Invented cities of each part; every city has a style of its own."""

DRAWN_CLASSES = (
    "road",
    "sidewalk",
    "building",
    "fence",
    "pole",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "car",
)
"""Cityscapes classes that occur in the scenes; the rest of the pixels has ids that are never evaluated."""

SCENES_FILE = "scenes.json"
"""Name below `data.root` of the description that the workflow has written when all scenes are there."""

MARKER = ".street-scenes.json"
"""Name below `data.root` of the settings that scenes were drawn with, written before the first scene."""

_FOLDERS = ("leftImg8bit", "gtFine")


def run(*, scenes: SceneSettings, data: DataSettings, output: Path, log: Path | None = None) -> None:
    """Draw the scenes below `data.root` and write a short description of them to `output` when all are there.

    Scenes of `test` get no label. An older drawing, whole or partial, is replaced. Scene i of a part depends on the
    seed, the part, i and the size only.

    Raises:
        LbtError: `data.root` holds a data set that was not drawn here, or cannot be written.
    """
    root, settings, counts = Path(data.root), scenes.model_dump(mode="json"), _counts(scenes)
    content = hashlib.sha256()
    try:
        _clear(root)
        write_json(root / MARKER, settings)
        with Progress("scenes", sum(counts.values()), log) as progress:
            for split, count in counts.items():
                for number in range(count):
                    for file in _write_scene(root, scenes, split, number):
                        content.update(file.read_bytes())
                    progress.advance()
    except (OSError, LbtError) as error:
        if (root / MARKER).is_file():
            _clear(root)
        if isinstance(error, LbtError):
            raise
        raise LbtError(
            f"{root}: the scenes could not be written ({error.strerror or error}). Free space or change data.root."
        ) from error
    write_json(
        output,
        {
            "scenes": counts,
            "cities": {split: list(CITIES[split][: counts[split]]) for split in counts},
            "classes": list(DRAWN_CLASSES),
            "height": scenes.height,
            "width": scenes.width,
            "settings_digest": digest(settings),
            "content_sha256": content.hexdigest(),
        },
    )


def scene_files(root: Path, scenes: SceneSettings) -> list[Path]:
    """All files of the scenes, in the order in which they are drawn."""
    return [
        file
        for split, count in _counts(scenes).items()
        for number in range(count)
        for file in _files_of(root, split, number)
    ]


def draw_scene(scenes: SceneSettings, split: str, number: int) -> tuple[Image.Image, Image.Image]:
    """Draw a scene: the image and its mask of Cityscapes ids."""
    return draw_street(
        city_style(Random(f"{scenes.seed}/{_city(split, number)}")),
        scenes.height,
        scenes.width,
        Random(f"{scenes.seed}/{split}/{number}"),
    )


def scene_number(split: str, image_id: str) -> int:
    """Number of a scene of `split` from the identifier of its image."""
    city, place, _ = image_id.split("_")
    return int(place) * len(CITIES[split]) + CITIES[split].index(city)


def _counts(scenes: SceneSettings) -> dict[str, int]:
    return {"train": scenes.train, "val": scenes.val, "test": scenes.test}


def _city(split: str, number: int) -> str:
    return CITIES[split][number % len(CITIES[split])]


def _clear(root: Path) -> None:
    old = [root / name for name in _FOLDERS if (root / name).exists()]
    if old and not (root / MARKER).is_file():
        raise LbtError(
            f"{old[0]}: was not drawn by this program (no {MARKER} beside it) and is not replaced. "
            "Point data.root to another folder, or remove `scenes` from the settings to use this data set."
        )
    for folder in old:
        shutil.rmtree(folder)


def _write_scene(root: Path, scenes: SceneSettings, split: str, number: int) -> list[Path]:
    """Draw one scene and write its files; returns them."""
    files = _files_of(root, split, number)
    for path, picture in zip(files, draw_scene(scenes, split, number), strict=False):  # no label in `test`
        write_png(path, picture)
    return files


def _files_of(root: Path, split: str, number: int) -> list[Path]:
    """The image of a scene and, but in `test`, its mask."""
    city, place = _city(split, number), number // len(CITIES[split])
    name = f"{city}_{place:06d}_000019"
    image = root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png"
    mask = root / f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png"
    return [image] if split == "test" else [image, mask]
