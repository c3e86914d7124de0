"""The settings of a job: as JSON values for its command, and as the canonical JSON that Snakemake compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lbt.config import Settings
from lbt.config.base import select_keys
from lbt.files import canonical_json
from lbt.stages.table import STAGES


def job_settings(
    settings: Settings, stage: str, wildcards: Mapping[str, int | str], *, tracked: bool = False
) -> dict[str, Any]:
    """JSON values of the settings that a job sees, or only of those on which its results depend.

    Its seed, method, round and shard, where the stage sees them, are those of `wildcards`.
    """
    chosen = STAGES[stage]
    values = settings.model_dump(mode="json") | {name: wildcards[name] for name in chosen.scalars}
    return select_keys(chosen.model(str(wildcards.get("method", ""))), values, tracked=tracked)


def stage_settings(settings: Settings, stage: str, wildcards: Mapping[str, int | str]) -> str:
    """Canonical JSON of the settings on which a job's results depend; see `job_settings`."""
    return canonical_json(job_settings(settings, stage, wildcards, tracked=True))
