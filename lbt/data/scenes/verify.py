"""Check that generated scenes have not changed since they were written."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lbt.config import SceneSettings
from lbt.data.scenes.write_dataset import SCENES_FILE, scene_files
from lbt.errors import LbtError
from lbt.files import digest, read_json


def require_unchanged_scenes(scenes: SceneSettings, root: Path) -> None:
    """Compare the scenes below `root` with their description, if it is a description of these settings.

    The scenes are read only if one of them is newer than the description.

    Raises:
        LbtError: a scene was changed or removed; the description cannot be read.
    """
    listing = root / SCENES_FILE
    if not listing.exists():
        return
    content = read_json(listing)
    if not isinstance(content, dict) or content.get("settings_digest") != digest(scenes.model_dump(mode="json")):
        return  # the stage will replace the scenes
    files, written = scene_files(root, scenes), listing.stat().st_mtime_ns
    remedy = f"Remove {root} to generate the scenes again. To train on your own images, see config/own-data.yaml."
    missing = next((file for file in files if not file.is_file()), None)
    if missing is not None:
        raise LbtError(f"{missing}: a generated scene is missing. {remedy}")
    newer = [file for file in files if file.stat().st_mtime_ns > written]
    if newer:
        found = hashlib.sha256()
        for file in files:
            found.update(file.read_bytes())
        if found.hexdigest() != content.get("content_sha256"):
            raise LbtError(f"{newer[0]}: was changed after it was written. {remedy}")
