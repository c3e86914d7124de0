"""Settings, code and images that the jobs of a run have now, to compare with those that a manifest records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lbt.config import Settings
from lbt.config.base import select_keys
from lbt.data.checking.inspection import inspect_samples
from lbt.data.file_versions import RECORD, Content, DataVersions, data_versions
from lbt.errors import LbtError
from lbt.provenance.fingerprint import fingerprint
from lbt.provenance.manifest import Manifest
from lbt.stages.table import STAGES


def job_settings(
    settings: Settings, stage: str, wildcards: Mapping[str, int | str], *, tracked: bool = False
) -> dict[str, Any]:
    """JSON values of the settings that a job sees, or only of those on which its results depend.

    Its seed, method, round and shard, where the stage sees them, are those of `wildcards`.
    """
    chosen, method = STAGES[stage], wildcards.get("method", "")
    scalars = {name: method if name == "method" else int(wildcards[name]) for name in chosen.scalars}
    return select_keys(chosen.model(str(method)), settings.model_dump(mode="json") | scalars, tracked=tracked)


def describe_present(
    settings: Settings, versions: DataVersions | None, stage: str, wildcards: Mapping[str, int | str]
) -> dict[str, Any]:
    """What a job depends on beside the files of other stages, under the names that its manifest has for it.

    `settings` are those on which its results depend, `code` is the fingerprint of all modules that it runs, and
    `images` are the versions of the user's images and masks that it reads (None if it reads none of them).
    """
    chosen, method = STAGES[stage], str(wildcards.get("method", ""))
    images: Any = None
    if versions is not None and chosen.lists_images:
        images = versions.split
    elif versions is not None and chosen.reads:
        images = versions.of(chosen.roles_read(method))
    return {
        "settings": job_settings(settings, stage, wildcards, tracked=True),
        "code": fingerprint(*chosen.modules(method)),
        "images": images,
    }


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
    record = Path("results", settings.run, "data", RECORD)
    if settings.scenes is not None:
        from lbt.data.scenes.verify import require_unchanged_scenes

        require_unchanged_scenes(settings.scenes, Path(settings.data.root))
        return None, {}

    inspect = partial(inspect_samples, settings.data)
    try:
        return data_versions(settings.data, settings.splits, record, inspect=inspect, note=note)
    except LbtError:
        if record.exists():
            raise
        return None, {}


def find_changes(manifest: Manifest, settings: Settings, versions: DataVersions | None) -> list[str] | None:
    """What a manifest records differently from the present: `settings`, `code`, `images`.

    None for a job that the run does not have now, such as one of another method.
    """
    stage, present = manifest.stage, {"method": settings.methods_and_baselines, "seed": settings.seeds}
    if stage not in STAGES:
        return None
    job: dict[str, Any] = {name: manifest.settings.get(name) for name in STAGES[stage].scalars}
    if not all(value in present[name] if name in present else isinstance(value, int) for name, value in job.items()):
        return None
    now = describe_present(settings, versions, stage, job)
    return [name for name, value in now.items() if getattr(manifest, name) != value]
