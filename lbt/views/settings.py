"""The stage that records the settings of a run, defaults included, with its device and versions."""

from __future__ import annotations

import csv
import html
import re
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

from lbt.config import Settings
from lbt.config.unread import select_read
from lbt.files import open_regular, software_versions, unguard_cell, write_text
from lbt.provenance.fingerprint import ROOT
from lbt.views.page import render

PACKAGES = ("lbt", "snakemake", "pandas", "pillow", "h5py", "matplotlib")
"""Packages on the page besides those of `lbt.files.software_versions`, which every manifest has."""
_ROW = re.compile(r'^<tr><td>([^<]*)</td><td class="text">([^<]*)</td></tr>$', re.MULTILINE)
_LARGEST = 1_000_000
"""Characters of a page that are read."""


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
    write_text(files.page, make_page(settings.run, text, facts | software_versions() | _find_versions()))


def make_page(run: str, settings: str, versions: dict[str, str]) -> str:
    """A page that opens offline: settings as YAML, and a row for device, commit, and each package."""
    return render("settings.html", title=f"Settings and versions of {run}", settings=settings, versions=versions)


def read_versions(page: Path) -> dict[str, str]:
    """Device, commit and versions as the page of a finished run names them; empty if they were edited away."""
    with open(page, encoding="utf-8", errors="replace", opener=open_regular) as file:
        rows = _ROW.findall(file.read(_LARGEST))
    return {html.unescape(name): html.unescape(value) for name, value in rows}


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
