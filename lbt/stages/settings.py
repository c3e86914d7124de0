"""The settings of a job: as a model for its stage, and as canonical JSON that Snakemake compares."""

from __future__ import annotations

from collections.abc import Mapping

from lbt.config import Section, Settings
from lbt.config.jobs import pick_settings
from lbt.files import canonical_json
from lbt.stages.table import STAGES


def job_settings(settings: Settings, stage: str, wildcards: Mapping[str, int | str]) -> Section:
    """The settings that a job of `stage` sees; its seed, method, round and shard are picked from `wildcards`."""
    chosen = STAGES[stage]
    scalars = {name: wildcards[name] for name in chosen.scalars}
    return pick_settings(chosen.model(str(wildcards.get("method", ""))), settings, **scalars)


def stage_settings(settings: Settings, stage: str, wildcards: Mapping[str, int | str]) -> str:
    """Canonical JSON of the settings of a job on which its results depend; see `job_settings`."""
    return canonical_json(job_settings(settings, stage, wildcards).tracked())
