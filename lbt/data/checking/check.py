"""The stage that reads the whole data set before the search: it lists every problem by file, or writes a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.config import OFFICIAL_SPLITS, DataSettings, Settings, SplitSettings
from lbt.config.jobs import CheckJob, pick_settings
from lbt.data.checking.file_counts import count_files, describe_files, list_parts
from lbt.data.checking.ignored_pixels import describe_ignored
from lbt.data.checking.inspection import Inspection, inspect, summarise, unknown_problems
from lbt.data.checking.palettes import palette_problems
from lbt.data.checking.part_sizes import BatchSize, batch_sizes, part_problems, too_few_labelled
from lbt.data.checking.unseen_classes import class_problems
from lbt.data.checking.warnings import find_warnings
from lbt.data.classes import ClassTable, class_table
from lbt.data.division import TooFewImages
from lbt.data.file_versions import RECORD, record_contents
from lbt.data.folder_layout import count_masks, is_undivided
from lbt.data.layouts import find_orphan_masks, scan
from lbt.data.problems import Problem, raise_problems
from lbt.data.sample import Sample
from lbt.data.splits import ROLES
from lbt.data.swapped import seem_swapped
from lbt.data.write_split import split_dataset
from lbt.errors import LbtError, visible
from lbt.files import write_json
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        report: JSON: what was found in each part of the data set.
    """

    report: Path


def run(settings: CheckJob, files: Files, *, log: Path | None = None) -> None:
    """Read every file of the data set; write the report and, beside it, the record of the files.

    Raises:
        LbtError: lists every problem, one per line.
    """
    report = _check(settings.data, settings.splits, batch_sizes(settings), log)
    with Progress("check", 0, log) as progress:
        for warning in report["warnings"]:
            progress.note(f"warning: {visible(warning)}")
    record_contents(settings.data, settings.splits, files.report.with_name(RECORD))
    write_json(files.report, report)


def check_data(settings: Settings, further: Sequence[Problem] = ()) -> dict[str, Any]:
    """Read every file of the data set and return the report; see `run`. `further` problems are listed too."""
    sizes = batch_sizes(pick_settings(CheckJob, settings))
    return _check(settings.data, settings.splits, sizes, None, further)


def describe(report: dict[str, Any]) -> str:
    """The report as lines of text, without its warnings."""
    count = len(report["warnings"])
    warned = f", but {count} warning{'s' if count > 1 else ''} (see below)" if count else ""
    lines = [f"{report['root']}: no problem found{warned}"]
    for split, part in report["splits"].items():
        sizes = ", ".join(f"{size} ({count})" for size, count in part["sizes"].items())
        aside = ""
        if "set_aside" in part:
            aside = f" ({part['set_aside']} set aside without reading their masks, {part['without_mask']} have no mask)"
        lines.append(f"  {split}: {part['images']} images in {part['groups']} groups{aside}; width x height {sizes}")
    lines.append("  parts: " + ", ".join(f"{role} {count}" for role, count in report["parts"].items()))
    lines.append("  share of the labelled pixels (train, val):")
    for name, share in report["splits"]["train"]["classes"].items():
        lines.append(f"    {name:20} {100 * share:7.3f} % {100 * report['splits']['val']['classes'][name]:7.3f} %")
    for split in ("train", "val"):
        lines.append(f"  ignored pixels of {split}: {describe_ignored(report['splits'][split])}")
    return "\n".join([*lines, *describe_files(report["files"])])


def describe_warnings(report: dict[str, Any]) -> str:
    """The warnings of the report, each in a paragraph; empty if there are none."""
    return "\n".join(f"warning: {visible(warning)}" for warning in report["warnings"])


def _check(
    data: DataSettings,
    splits: SplitSettings,
    sizes: Sequence[BatchSize],
    log: Path | None,
    further: Sequence[Problem] = (),
) -> dict[str, Any]:
    report, problems = examine(data, splits, sizes, log)
    raise_problems(data.root, [*problems, *further])
    return report


def examine(
    data: DataSettings, splits: SplitSettings, sizes: Sequence[BatchSize] = (), log: Path | None = None
) -> tuple[dict[str, Any], list[Problem]]:
    """Read every file of the data set; returns the report, see `run`, and all problems.

    Args:
        data: the data set.
        splits: the division of its training part.
        sizes: the batches that the parts must fill.
        log: file for plain progress lines.

    Raises:
        LbtError: the root is missing, or the settings name an unknown class, so that no file can be judged.
    """
    table = class_table(data)
    samples, problems = _scan(data, splits, sizes)
    problems += find_orphan_masks(data)

    parts: dict[str, int] = {}
    roles: dict[str, list[Sample]] = {}
    if not problems:
        try:
            roles = split_dataset(data, splits)
            parts = {role: len(roles[role]) for role in ROLES}
            problems += part_problems(data, splits, sizes, len(samples["train"]), roles)
        except LbtError as error:
            few = too_few_labelled(data, splits, sizes, len(samples["train"]))
            if few is None or not isinstance(error, TooFewImages):
                few = Problem("splits", str(error).removeprefix("splits: "))
            problems.append(few)

    report: dict[str, Any] = {"root": data.root, "splits": {}, "parts": parts}
    found: dict[str, list[Inspection]] = {}
    with Progress("check", sum(map(len, samples.values())), log) as progress:
        for split, members in samples.items():
            found[split] = inspect(members, data, table, progress)
            report["splits"][split] = summarise(members, found[split], table)
    if data.folder is not None and is_undivided(data.folder):
        masks, images = count_masks(Path(data.root), data.folder)
        report["splits"]["unlabeled"] |= {
            "set_aside": masks - len(samples["train"]) - len(samples["val"]),
            "without_mask": images - masks,
        }
    of_files = _file_problems(data, table, samples, found)
    if any(one.label is not None for one in samples["train"]) and _all_swapped(data, samples, found):
        of_files = [Problem("data.folder", "images and masks seem to be swapped; exchange `images` and `masks`")]
    problems += of_files
    listings = list_parts(data)
    report["files"] = count_files(Path(data.root), listings, samples)
    report["warnings"] = [] if problems else find_warnings(data, table, samples, found, roles, listings)
    return report, problems


def _file_problems(
    data: DataSettings,
    table: ClassTable,
    samples: Mapping[str, Sequence[Sample]],
    found: Mapping[str, Sequence[Inspection]],
) -> list[Problem]:
    """The problems of the content of all files."""
    everything = [member for members in samples.values() for member in members]
    inspections = [inspection for split in samples for inspection in found[split]]
    problems = [problem for inspection in inspections for problem in inspection.problems]
    problems += unknown_problems(everything, inspections, table)
    problems += palette_problems(everything, inspections, table)
    if all(inspection.readable for inspection in inspections):
        # Otherwise a class may seem to be missing because its mask could not be read.
        problems += class_problems(data, table, samples, found)
    return problems


def _all_swapped(
    data: DataSettings, samples: Mapping[str, Sequence[Sample]], found: Mapping[str, Sequence[Inspection]]
) -> bool:
    """Whether no mask can be read, and images look like masks and masks like photographs."""
    labelled = [sample for split in ("train", "val") for sample in samples[split]]
    if data.folder is None or any(one.readable for split in ("train", "val") for one in found[split]):
        return False
    masks = [sample.label for sample in labelled if sample.label is not None]
    return seem_swapped(Path(data.root), [sample.image for sample in labelled], masks)


def _scan(
    data: DataSettings, splits: SplitSettings, sizes: Sequence[BatchSize]
) -> tuple[dict[str, list[Sample]], list[Problem]]:
    """The images of each official part, and the problems of their file names."""
    samples: dict[str, list[Sample]] = {}
    problems: list[Problem] = []
    try:
        for split in OFFICIAL_SPLITS:
            samples[split], found = scan(data, split, splits.seed)
            problems += found
    except TooFewImages as error:  # to divide an undivided folder
        few = too_few_labelled(data, splits, sizes, 0)
        raise_problems(data.root, [few or Problem("splits", str(error).removeprefix("splits: "))])
    return samples, problems
