"""Settings, code and images that the jobs of a run have now, to compare with those that a manifest records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lbt.config import Settings
from lbt.data.file_versions import RECORD, Content, DataVersions, data_versions
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.provenance.fingerprint import fingerprint
from lbt.stages.settings import stage_settings
from lbt.stages.table import STAGES


def code_of_job(stage: str, method: str = "") -> str:
    """The fingerprint of a job's code; a search round runs the one module of its method too."""
    return fingerprint(*STAGES[stage].modules(method))


def record_of(settings: Settings) -> Path:
    """The file in which a run records the contents of its images and masks."""
    return Path("results", settings.run, "data", RECORD)


def versions_of_data(
    settings: Settings, note: Callable[[str], None]
) -> tuple[DataVersions | None, Mapping[str, Content]]:
    """The versions of the user's images; nothing is written.

    Args:
        settings: of the run.
        note: is told in a line if files have to be read.

    Returns:
        The versions, and the record of contents if it has to be written again. There are no versions of synthetic
        scenes, which are compared by their description, nor of a data set that the stage `check` will refuse.

    Raises:
        LbtError: a synthetic scene was changed, or images that were checked before cannot be used any longer.
    """
    record = record_of(settings)
    if settings.scenes is not None:
        from lbt.data.scenes.verify import require_unchanged_scenes

        require_unchanged_scenes(settings.scenes, Path(settings.data.root))
        return None, {}

    def inspect(samples: Sequence[Sample]) -> None:
        from lbt.data.checking.inspection import inspect_samples

        inspect_samples(settings.data, samples)

    try:
        return data_versions(settings.data, settings.splits, record, inspect=inspect, note=note)
    except LbtError:
        if record.exists():
            raise
        return None, {}


def compares_images(stage: str) -> bool:
    """Whether jobs of a stage rerun if the user's images change: their names, or their content too."""
    return STAGES[stage].lists_images or bool(STAGES[stage].reads)


def images_read(versions: DataVersions | None, stage: str, method: str = "") -> Any:
    """What a job compares of the images and masks that it reads; None if it reads none of the user's."""
    if versions is None or not compares_images(stage):
        return None
    return versions.split if STAGES[stage].lists_images else versions.of(STAGES[stage].roles_read(method))


def find_changes(manifest: Mapping[str, Any], settings: Settings, versions: DataVersions | None) -> list[str]:
    """What a manifest records differently from the present: `settings`, `code`, `images`.

    Nothing is different for a job that the run does not have now, such as one of another method.
    """
    stage, found = manifest["stage"], manifest["settings"]
    if stage not in STAGES or not found.keys() >= set(STAGES[stage].scalars):
        return []
    job = {name: found[name] for name in STAGES[stage].scalars}
    method = job.get("method", "")
    if (method and method not in settings.methods) or job.get("seed", settings.seeds[0]) not in settings.seeds:
        return []
    now = {
        "settings": json.loads(stage_settings(settings, stage, job)),
        "code": code_of_job(stage, method),
        "images": images_read(versions, stage, method),
    }
    return [name for name, value in now.items() if manifest[name] != value]
