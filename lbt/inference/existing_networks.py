"""The networks that runs have made here, to answer a command that names one that is missing."""

from __future__ import annotations

from pathlib import Path

_NAMED = 3


def describe_networks(results: Path = Path("results")) -> str:
    """A sentence with the newest networks of the runs below a folder, or that there is none."""
    found = [path for path in results.glob("*/networks/**/*.pt") if path.is_file()]
    if not found:
        return f"No run below {results}/ has made a network yet."
    newest = sorted(found, key=lambda path: (-path.stat().st_mtime_ns, path))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"Networks here, the newest first: {', '.join(map(str, newest[:_NAMED]))}{more}."
