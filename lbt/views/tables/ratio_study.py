"""The ratio study: mIoU by |D_pl| : |D_s^tr|, over runs that differ in `search.pseudo_labels.ratio` only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lbt.config.methods import METHODS
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.provenance.manifest import read_manifest
from lbt.pseudo_labels.dataset import count_to_label
from lbt.views.results import Scores, read_part
from lbt.views.tables.formats import Column, Table, format_columns, format_mean, format_percent, mean_and_deviation

NOTE = (
    "The runs differ in search.pseudo_labels.ratio only: the number of images that the teacher labels (pseudo) per "
    "labelled image of the student. mIoU in percent on the official validation images: the mean over the seeds, and "
    "with several seeds the standard deviation (divided by n - 1). Each run measured its own latency table."
)
_COLUMNS = {
    "method": Column("method"),
    "ratio": Column("ratio", "{:.3g}".format),
    "pseudo_labelled": Column("pseudo images"),
    "labelled": Column("labelled images"),
    "seeds": Column("seeds"),
}
_MEASURES = {"supernet_miou": "supernet mIoU", "retrained_miou": "retrained mIoU"}
_SHARED = ("data", "latency", "warmup", "student_warmup")
_OF_METHODS = ("search", "derive", "profile", "retrain", "evaluate")


@dataclass(frozen=True)
class _Run:
    """A finished run: its ratio (None: all unlabelled images), and the facts that must equal those of other runs."""

    folder: Path
    ratio: float | None
    facts: Mapping[str, Any]


def make_ratio_table(folders: Sequence[Path]) -> Table:
    """A row per run and method with pseudo labels, in the order of the ratio.

    Raises:
        LbtError: fewer than two runs, an unfinished one, two of the same ratio, or runs that differ in anything else.
    """
    if len(folders) < 2:
        raise LbtError(f"{folders[0]}: is one run; name two or more that differ in search.pseudo_labels.ratio.")
    runs = [_read(folder) for folder in folders]
    for other in runs[1:]:
        _require_equal(runs[0], other)
    rows = sorted((row for run in runs for row in _make_rows(run)), key=lambda row: (row["method"], row["ratio"]))
    values = pd.DataFrame(rows)
    twice = values[values.duplicated(["method", "pseudo_labelled"])]
    if len(twice):
        raise LbtError(
            f"{', '.join(map(str, folders))}: two of these runs label {twice['pseudo_labelled'].iloc[0]} images. "
            "Name only one of the two."
        )
    people = format_columns(values, _COLUMNS)
    for name, title in _MEASURES.items():
        pairs = zip(values[f"{name}_mean"], values[f"{name}_std"], strict=True)
        people[title] = [format_mean(format_percent, *pair) for pair in pairs]
    return Table("ratio", "mIoU by ratio of pseudo-labelled to labelled images", NOTE, values, people)


def _read(folder: Path) -> _Run:
    facts: dict[str, Any] = {}
    ratios = set()
    for path in _find_manifests(folder):
        name, manifest = path.relative_to(folder).as_posix(), read_manifest(path)
        facts |= {f"{name}: {key}": value for key, value in _flatten(manifest.settings, "")}
        facts |= {f"{name}: version of {key}": value for key, value in manifest.versions.items()}
        facts[f"{name}: code"] = manifest.code
        if name == "data/.manifest.json":
            split = manifest.outputs.get("split.csv")
            facts["data/split.csv: content"] = split and split.sha256
        ratios |= {facts.pop(key) for key in list(facts) if key.endswith("search.pseudo_labels.ratio")}
    if not ratios:
        raise LbtError(f"{folder}: no method of this run learns from pseudo labels. Name finished runs of lbt.")
    if len(ratios) > 1:
        raise LbtError(f"{folder}: holds rounds of the ratios {sorted(map(str, ratios))}. Finish the run.")
    return _Run(folder, ratios.pop(), facts)


def _find_manifests(folder: Path) -> list[Path]:
    """The manifests of the shared stages, and of the methods with pseudo labels."""
    found = [path for name in _SHARED for path in (folder / name).rglob(".manifest*.json")]
    for name in _OF_METHODS:
        found += [path for method in _labelling_methods() for path in (folder / name / method).rglob(".manifest*.json")]
    return sorted(found)


def _labelling_methods() -> list[str]:
    return [name for name in tuple(METHODS) if METHODS[name].needs_pseudo_labels]


def _flatten(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The values of nested settings with their dotted keys."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value


def _require_equal(first: _Run, other: _Run) -> None:
    keys = sorted({*first.facts, *other.facts})
    absent = object()
    different = [key for key in keys if first.facts.get(key, absent) != other.facts.get(key, absent)]
    if different:
        lines = [f"  {key}: {first.facts.get(key, 'absent')} | {other.facts.get(key, 'absent')}" for key in different]
        more = [f"  and {len(lines) - 10} more"] if len(lines) > 10 else []
        raise LbtError(
            f"{first.folder} and {other.folder} differ in more than the ratio:",
            *lines[:10],
            *more,
            "Run them again with settings that differ in `run` and `search.pseudo_labels.ratio` only.",
        )


def _make_rows(run: _Run) -> Iterator[dict[str, Any]]:
    split = run.folder / "data" / "split.csv"
    labelled, unlabeled = (len(read_split(split, role)) for role in ("student_train", "unlabeled"))
    pseudo = count_to_label(run.ratio, labelled, unlabeled)
    found = {m: sorted(run.folder.glob(f"evaluate/{m}/seed-*/network.json")) for m in _labelling_methods()}
    if not any(found.values()):
        raise LbtError(f"{run.folder}: has no scores of a method with pseudo labels. Finish the run.")
    for method, files in found.items():
        if not files:
            continue
        row = {"method": method, "ratio": pseudo / labelled, "pseudo_labelled": pseudo, "labelled": labelled}
        row["seeds"] = len(files)
        for name, scored in (("supernet", [file.with_name("supernet.json") for file in files]), ("retrained", files)):
            miou = [read_part(file, Scores)["miou"] for file in scored]
            row[f"{name}_miou_mean"], row[f"{name}_miou_std"] = mean_and_deviation(miou)
        yield row
