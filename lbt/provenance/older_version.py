"""Results of an older version, which lay elsewhere, so that this version would take them for absent."""

from __future__ import annotations

from pathlib import Path

from lbt.errors import LbtError

_MANIFESTS = "*/manifest*.json"
"""Where older versions kept the first manifests of a run; now they are hidden files."""


def refuse_older(run: Path) -> None:
    """Check that no older version has made the results in the folder of a run.

    Raises:
        LbtError: an older version has; says what to do.
    """
    if found := sorted(run.glob(_MANIFESTS))[:1]:
        raise LbtError(
            f"{run}: holds results of an older version of lbt ({found[0].relative_to(run)} is not where this version "
            "has it), which this version cannot read or continue. Use that version, or write another `run:`. To make "
            "the results again, remove the folder."
        )
