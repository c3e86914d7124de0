"""A synthetic street scene to try a network on."""

from __future__ import annotations

from pathlib import Path

from lbt.config import SceneSettings
from lbt.data.images import write_png
from lbt.data.scenes.write_dataset import generate_scene

SCENE = SceneSettings(height=360, width=480)


def write_example(folder: Path) -> Path:
    """Generate the scene and write it as `example.png` into a folder; returns the file.

    Raises:
        LbtError: it cannot be written.
    """
    image, _ = generate_scene(SCENE, "val", 0)
    path = folder / "example.png"
    write_png(path, image)
    return path
