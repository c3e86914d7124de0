"""Reading of the whole data set before any hour is spent: every problem by file, or a report of what is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.artifacts import write_json
from lbt.config import (
    DataSettings,
    RetrainSettings,
    SearchSettings,
    Settings,
    SplitSettings,
    WarmupSettings,
)
from lbt.data.classes import class_table
from lbt.data.contents import RECORD, record_contents
from lbt.data.inspection import inspect, raise_problems, summarise
from lbt.data.layouts import OFFICIAL_SPLITS, Problem, orphan_masks, scan
from lbt.data.sample import Sample
from lbt.data.splits import ROLES, TRAINING_ROLES, split_dataset
from lbt.errors import LbtError
from lbt.progress import Progress


def run(
    *,
    data: DataSettings,
    splits: SplitSettings,
    warmup: WarmupSettings,
    search: SearchSettings,
    retrain: RetrainSettings,
    output: Path,
    log: Path | None = None,
) -> None:
    """Read every file of the data set and write the report as JSON, and beside it the record of their contents.

    Raises:
        LbtError: lists every problem, one a line.
    """
    report = _check(data, splits, _batch_sizes(warmup, search, retrain), log)
    record_contents(data, splits, output.with_name(RECORD))
    write_json(output, report)


def check_data(settings: Settings, further: Sequence[Problem] = ()) -> dict[str, Any]:
    """Read every file of the data set and return the report; see `run`. Problems found elsewhere are listed with it."""
    sizes = _batch_sizes(settings.warmup, settings.search, settings.retrain)
    return _check(settings.data, settings.splits, sizes, None, further)


def describe(report: dict[str, Any]) -> str:
    """The report as a few lines of text."""
    lines = [f"{report['root']}: no problem found"]
    for split, part in report["splits"].items():
        sizes = ", ".join(f"{size} ({count})" for size, count in part["sizes"].items())
        lines.append(f"  {split}: {part['images']} images in {part['groups']} groups; width x height {sizes}")
    lines.append("  parts: " + ", ".join(f"{role} {count}" for role, count in report["parts"].items()))
    lines.append("  share of the labelled pixels (train, val):")
    for name, share in report["splits"]["train"]["classes"].items():
        lines.append(f"    {name:20} {share:8.3%} {report['splits']['val']['classes'][name]:8.3%}")
    return "\n".join(lines)


def find_problems(data: DataSettings, splits: SplitSettings, batch_sizes: Iterable[BatchSize]) -> list[Problem]:
    """List everything that is wrong with the data set; an empty list means that it can be used.

    Raises:
        LbtError: the root is missing or the classes cannot be told, so that no file can be judged.
    """
    return _survey(data, splits, batch_sizes, None)[1]


@dataclass(frozen=True)
class BatchSize:
    """A setting that a part must have at least as many images as: its key, its value and the roles it draws from."""

    key: str
    size: int
    roles: tuple[str, ...]


def _batch_sizes(warmup: WarmupSettings, search: SearchSettings, retrain: RetrainSettings) -> list[BatchSize]:
    return [
        BatchSize("warmup.batch_size", warmup.batch_size, ("teacher_train",)),
        BatchSize("search.batch_size", search.batch_size, ("teacher_train",)),
        BatchSize("search.batch_size", search.batch_size, ("teacher_val",)),
        BatchSize("search.student.batch_size", search.student.batch_size, ("student_train",)),
        BatchSize("search.student.batch_size", search.student.batch_size, ("student_val",)),
        BatchSize("search.student.batch_size", search.student.batch_size, ("unlabeled",)),
        BatchSize("search.shards", search.shards, ("unlabeled",)),
        BatchSize("retrain.batch_size", retrain.batch_size, TRAINING_ROLES),
    ]


def _check(
    data: DataSettings,
    splits: SplitSettings,
    batch_sizes: Iterable[BatchSize],
    log: Path | None,
    further: Sequence[Problem] = (),
) -> dict[str, Any]:
    report, problems = _survey(data, splits, batch_sizes, log)
    problems += further
    raise_problems(data, problems)
    return report


def _survey(
    data: DataSettings, splits: SplitSettings, batch_sizes: Iterable[BatchSize], log: Path | None
) -> tuple[dict[str, Any], list[Problem]]:
    table = class_table(data)
    problems: list[Problem] = []
    samples: dict[str, list[Sample]] = {}
    for split in OFFICIAL_SPLITS:
        samples[split], found = scan(data, split)
        problems += found
    problems += orphan_masks(data)

    parts: dict[str, int] = {}
    if not problems:
        try:
            roles = split_dataset(data, splits)
            parts = {role: len(roles[role]) for role in ROLES}
            problems += _part_problems(roles, batch_sizes)
        except LbtError as error:
            problems.append(Problem("splits", str(error).removeprefix("splits: ")))

    report: dict[str, Any] = {"root": data.root, "splits": {}, "parts": parts}
    with Progress("check", sum(map(len, samples.values())), log) as progress:
        for split, members in samples.items():
            inspections = inspect(members, data, table, progress)
            problems += [problem for inspection in inspections for problem in inspection.problems]
            report["splits"][split] = summarise(members, inspections, table)
    shares = report["splits"]["train"]["classes"]
    key = "data.classes" if data.folder is None else "data.folder.classes"
    listed = data.folder is not None or not isinstance(data.classes, int)
    if listed:
        # a list of classes was chosen for this data set; the official 19 or 34 may be more than a part of it shows
        problems += [
            Problem(f"{key}: {name}", "has no pixel in the training images; remove the class or correct its id")
            for name, share in shares.items()
            if share == 0
        ]
    problems += [
        Problem(split, "its masks hold no labelled pixel; correct the masks, the class ids or the ignored ids")
        for split in (("val",) if listed else ("train", "val"))
        if samples[split] and not any(report["splits"][split]["classes"].values())
    ]
    return report, problems


def _part_problems(roles: dict[str, list[Sample]], batch_sizes: Iterable[BatchSize]) -> list[Problem]:
    problems = []
    for batch in batch_sizes:
        count = len({sample.id for role in batch.roles for sample in roles[role]})
        if batch.size > count:
            part = batch.roles[0] if len(batch.roles) == 1 else "the training parts together"
            problems.append(Problem(batch.key, f"is {batch.size}, above the {count} image(s) of {part}; lower it"))
    return problems
