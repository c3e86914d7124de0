"""The stage that records the settings of a run, defaults included, with its device and versions."""

from __future__ import annotations

import csv
import html
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from lbt.config import Settings
from lbt.config.unread import select_read
from lbt.files import software_versions, unguard_cell, write_text
from lbt.provenance.fingerprint import ROOT
from lbt.views.tables.formats import STYLE

PACKAGES = ("lbt", "snakemake", "pandas", "pillow", "h5py", "matplotlib")
"""Packages on the page besides those of `lbt.files.software_versions`, which every manifest has."""


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        table: the latency table, which names the device of its measurement.
        yaml: receives the settings as YAML that `--configfile` takes.
        page: receives a page of the settings, the device and the versions.
    """

    table: Path
    yaml: Path
    page: Path


def run(settings: Settings, files: Files, *, log: Path | None = None) -> None:
    """Write the settings as YAML, and as a page together with device and versions."""
    text = yaml.safe_dump(select_read(settings), sort_keys=False, width=100)
    write_text(files.yaml, text)
    facts, commit = {"device": read_device(files.table)}, describe_commit(ROOT)
    if commit is not None:
        facts["git commit"] = commit
    write_text(files.page, render(settings.run, text, facts | software_versions() | _find_versions()))


def render(run: str, settings: str, versions: dict[str, str]) -> str:
    """A page that opens offline: settings as YAML, and a row for device, commit, and each package."""
    rows = "".join(
        f'<tr><td>{html.escape(name)}</td><td class="text">{html.escape(value)}</td></tr>\n'
        for name, value in versions.items()
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Settings and versions</title>'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>Settings and versions of {html.escape(run)}</h1>\n"
        "<p>Every setting that the run reads, defaults included; config/README.md explains each. "
        "The versions are those of the job that "
        "wrote this page; the manifest of each stage names its own. Device: where latencies were measured. Commit: of "
        "the clone, <code>dirty</code> if files differ from it.</p>\n"
        f'<table><thead><tr><th>what</th><th class="text">which</th></tr></thead><tbody>\n{rows}</tbody></table>\n'
        f"<h2>Settings</h2>\n<pre>{html.escape(settings)}</pre>\n</body>\n</html>\n"
    )


def read_device(table: Path) -> str:
    """Read the name of the processor or GPU from the first row of a latency table; all rows have the same."""
    with open(table, encoding="utf-8", newline="") as file:
        return unguard_cell(next(csv.DictReader(file))["device"])


def describe_commit(folder: Path) -> str | None:
    """The commit checked out in `folder`; None if the folder is not a clone or git does not answer."""
    if not (folder / ".git").exists():
        return None  # git would look in the folders above
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def _find_versions() -> dict[str, str]:
    """Versions of those `PACKAGES` that are installed; lbt itself also runs from a clone without installation."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
