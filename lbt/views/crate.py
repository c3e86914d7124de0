"""A run as an RO-Crate: the file that tells other programs what the folder holds and which software made it.

The format is RO-Crate 1.2 (Soiland-Reyes et al., Packaging research artefacts with RO-Crate, Data Science 5(2), 2022).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from lbt import __version__
from lbt.errors import LbtError, visible
from lbt.files import sha256, write_text
from lbt.provenance.fingerprint import ROOT
from lbt.views.settings import read_versions

METADATA = "ro-crate-metadata.json"
_SETTINGS, _PAGE, _MAIN = "settings.yaml", "settings.html", "tables/summary.csv"
_NEEDED = (_SETTINGS, _PAGE, _MAIN)
_PARTS = (
    (_SETTINGS, "Settings of the run, defaults included"),
    (_PAGE, "Settings, device, commit and versions"),
    ("index.html", "Page of the run"),
    ("tables/*.csv", "Table: {stem}"),
    ("figures/*.svg", "Figure: {stem}"),
    ("data/split.csv", "Role of each image"),
    ("latency/table.csv", "Latency of each part of the search space"),
    ("derive/*/seed-*/genotype.json", "Genotype of {0}, {1}"),
    ("evaluate/*/seed-*/network.json", "Scores of {0}, {1}"),
    ("profile/*/seed-*/profile.json", "Latency and size of {0}, {1}"),
    ("networks/*/network.pt", "Trained network {0}"),
    ("networks/*/*.onnx", "Trained network {0} as ONNX"),
    ("networks/*/README.md", "Card of network {0}"),
)
"""Patterns of the files in the crate, and their names there; `{0}` and `{1}` are the folders below the first."""
_FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".onnx": "application/octet-stream",
    ".pt": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".yaml": "application/yaml",
}


def write_crate(run: Path, authors: Sequence[str], licence: str | None, citation: Path = ROOT / "CITATION.cff") -> Path:
    """Write `ro-crate-metadata.json` into the folder of a finished run, and return its path.

    Args:
        run: the folder.
        authors: of the run.
        licence: of the results, an address or a name; None if it is not decided.
        citation: what to cite for the software, in the Citation File Format.

    Raises:
        LbtError: the run is not finished, or a file cannot be read.
    """
    for name in _NEEDED:
        if not (run / name).is_file():
            raise LbtError(f"{run / name}: is missing. Finish the run first; `lbt status {run}` says how far it is.")
    try:
        crate = ROCrate(version="1.2")
        files = {path: _add_file(crate, run, path, name) for path, name in sorted(_find_files(run))}
        versions = read_versions(run / _PAGE)
        software = _add_software(crate, versions, _read_citation(citation))
        results = [entity for path, entity in files.items() if path.parts[0] in ("tables", "networks")]
        action = crate.add_action(software, "#run", files[Path(_SETTINGS)], results, {"name": "Run of the workflow"})
        if "device" in versions:
            action["description"] = f"Latencies were measured on {visible(versions['device'])}."
        root = crate.root_dataset
        root["name"] = f"{run.resolve().name}, a run of lbt"
        root["description"] = (
            "Networks for semantic segmentation that an architecture search found, with their scores, latencies, "
            "settings, tables and figures."
        )
        root["datePublished"] = date.today().isoformat()
        root["license"] = _licence(crate, licence)
        root["author"] = [_add(crate, f"#author-{n}", "Person", name=name) for n, name in enumerate(authors, 1)] or [
            software["author"]
        ]
        root["mentions"] = [action]
        text = json.dumps(crate.metadata.generate(), indent=2, ensure_ascii=False)
    except OSError as error:
        raise LbtError(f"{error.filename}: could not be read ({error.strerror}).") from error
    write_text(run / METADATA, text + "\n")
    return run / METADATA


def _find_files(run: Path) -> Iterator[tuple[Path, str]]:
    """Each file of the crate, relative to the run, with its name."""
    for pattern, name in _PARTS:
        for path in run.glob(pattern):
            if path.is_file() and path.resolve().is_relative_to(run.resolve()):
                yield path.relative_to(run), name.format(*path.relative_to(run).parts[1:3], stem=path.stem)


def _add_file(crate: ROCrate, run: Path, path: Path, name: str) -> Any:
    facts = {
        "name": name,
        "encodingFormat": _FORMATS[path.suffix],
        "contentSize": str((run / path).stat().st_size),
        "sha256": sha256(run / path),
    }
    return crate.add_file(run / path, dest_path=path.as_posix(), properties=facts)


def _read_citation(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise LbtError(f"{file}: is missing. Run `lbt crate` in a clone of lbt, which has it.")
    content: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def _add_software(crate: ROCrate, versions: Mapping[str, str], citation: Mapping[str, Any]) -> Any:
    """lbt with version, commit, authors, licence, the packages that it needs, and what to cite."""
    others = [
        _add(crate, f"#{name}", "SoftwareApplication", name=name, version=visible(version))
        for name, version in versions.items()
        if name not in ("device", "git commit", "lbt")
    ]
    papers = [_add_paper(crate, number, paper) for number, paper in enumerate(citation["references"], 1)]
    author = _add(crate, "#lbt-authors", "Organization", name=citation["authors"][0]["name"])
    terms = _add(crate, "https://spdx.org/licenses/MIT", "CreativeWork", name=citation["license"])
    version = visible(versions.get("lbt", __version__))
    commit = {"identifier": f"commit {visible(versions['git commit'])}"} if "git commit" in versions else {}
    return _add(
        crate,
        "#lbt",
        "SoftwareApplication",
        **{"name": "lbt", "description": citation["abstract"], "version": version, "author": author, **commit},
        **{"license": terms, "softwareRequirements": others, "citation": papers},
    )


def _add_paper(crate: ROCrate, number: int, paper: Mapping[str, Any]) -> Any:
    names = [(person["given-names"], person["family-names"]) for person in paper["authors"]]
    authors = [_add(crate, f"#{'-'.join(name).lower()}", "Person", name=" ".join(name)) for name in names]
    facts = {"name": paper["title"], "author": authors, "datePublished": str(paper["year"])}
    identifiers = [one["value"] for one in paper.get("identifiers", ())]
    more = {"identifier": identifiers} if identifiers else {}
    return _add(crate, f"#reference-{number}", "ScholarlyArticle", **facts, **more)


def _licence(crate: ROCrate, licence: str | None) -> Any:
    """The licence of the results as an entity, which the format demands."""
    if licence is None:
        why = "The authors of the run have not chosen one: `lbt crate --license` names it."
        return _add(crate, "#license", "CreativeWork", name="No licence is stated", description=why)
    place = licence if licence.startswith("https://") else "#license"
    return _add(crate, place, "CreativeWork", name=licence)


def _add(crate: ROCrate, place: str, kind: str, **facts: Any) -> Any:
    """An entity that is not a file; a second one at the same place is the first one."""
    found = crate.dereference(place)
    if found is None:
        found = crate.add(ContextEntity(crate, place, properties={"@type": kind}))
        for key, value in facts.items():
            found[key] = value
    return found
