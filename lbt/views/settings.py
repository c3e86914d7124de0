"""The settings of a run, with every default written out, and the versions it began with."""

from __future__ import annotations

import html
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from lbt.artifacts import software_versions, write_text
from lbt.config import (
    AugmentationSettings,
    ComputeSettings,
    DataSettings,
    DerivationSettings,
    EvaluationSettings,
    LatencySettings,
    RetrainSettings,
    SceneSettings,
    SearchSettings,
    Settings,
    SpaceSettings,
    SplitSettings,
    WarmupSettings,
)
from lbt.views.tables.table import STYLE

PACKAGES = ("lbt", "snakemake", "torchmetrics", "pandas", "pillow", "h5py", "matplotlib")
"""Beside `lbt.artifacts.software_versions`, which every manifest has."""


def run(
    *,
    run: str,
    seeds: tuple[int, ...],
    methods: tuple[str, ...],
    scenes: SceneSettings | None,
    data: DataSettings,
    splits: SplitSettings,
    augmentation: AugmentationSettings,
    space: SpaceSettings,
    latency: LatencySettings,
    warmup: WarmupSettings,
    search: SearchSettings,
    derivation: DerivationSettings,
    retrain: RetrainSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    output: Path,
    page: Path,
    log: Path | None = None,
) -> None:
    """Write the settings as YAML that a run can be given again, and as a page together with the versions."""
    given = locals()
    settings = Settings(**{name: given[name] for name in Settings.model_fields})
    text = yaml.safe_dump(settings.model_dump(mode="json", exclude_none=True), sort_keys=False, width=100)
    write_text(output, text)
    write_text(page, render(run, text, software_versions() | _installed()))


def render(run: str, settings: str, versions: dict[str, str]) -> str:
    """A page that opens offline: settings as YAML, and a row per package and version."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in versions.items()
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Settings and versions</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>Settings and versions of {html.escape(run)}</h1>\n"
        "<p>Every setting, the defaults included. config/README.md says what each means. The manifests of the stages "
        "hold the versions that each ran with; these are those of the beginning.</p>\n"
        f"<table><thead><tr><th>package</th><th>version</th></tr></thead><tbody>{rows}</tbody></table>\n"
        f"<h2>Settings</h2>\n<pre>{html.escape(settings)}</pre>\n</body>\n</html>\n"
    )


def _installed() -> dict[str, str]:
    """Versions of the packages that are installed; the project itself also runs from a clone that is not."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
