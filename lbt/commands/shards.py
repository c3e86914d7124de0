"""`lbt shards DIR`: list, check and summarise shards of pseudo labels."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.errors import LbtError

if TYPE_CHECKING:
    from lbt.pseudo_labels.survey import Survey
    from lbt.pseudo_labels.true_labels import TrueLabels

HELP = "list, check and summarise the pseudo labels of a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the place of the shards, and the files to write."""
    parser.description = """\
Reads the shards of pseudo labels (HDF5) of a run and, where needed, the images and masks of its data set. Checks each
shard, and prints a table of the files and for each round a table of the classes. Writes files only with --csv, --png or
--gallery."""
    parser.epilog = """\
Exit code 0 if all shards are intact; 1 if not: damaged shards are named after the summary of the others."""
    parser.add_argument(
        "place",
        type=Path,
        metavar="DIR",
        help="a run, such as results/default, a folder of it (method, seed, round, pseudo_labels), or one shard",
    )
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the summaries of all rounds as CSV")
    parser.add_argument(
        "--png",
        type=Path,
        metavar="DIR",
        help="write every image with its label over it, one folder per round",
    )
    parser.add_argument(
        "--gallery",
        type=Path,
        metavar="FILE",
        help="write the round's gallery, an HTML page that opens offline; for several rounds one page each, with "
        "method, seed and round in its name",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="a folder with the true labels of these images, named like the masks of the data set (default: the "
        "place of masks in the data set)",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="the folder of the data set, if it has moved since the run"
    )


def run(options: argparse.Namespace) -> None:
    """Print the tables, and write the files that the options name.

    Raises:
        LbtError: a shard has a problem; the summary of the good ones is printed first.
    """
    import pandas as pd

    from lbt.files import write_text
    from lbt.pseudo_labels.find import find_rounds
    from lbt.pseudo_labels.survey import count_round, previous_heads, survey_round
    from lbt.runtime.progress import Progress
    from lbt.views.shard_tables import LEGEND, format_summary, list_files, summarise_round
    from lbt.views.tables.formats import format_csv
    from lbt.views.tables.terminal import fit_to_width, terminal_width

    for folder in filter(None, (options.labels, options.root)):
        if not folder.is_dir():
            raise LbtError(f"{folder}: is not a folder. Correct --{'root' if folder == options.root else 'labels'}.")
    for option, file, example in (("--csv", options.csv, "labels.csv"), ("--gallery", options.gallery, "labels.html")):
        if file is not None and file.is_dir():
            raise LbtError(f"{option}: {file} is a folder. Name the file to write, such as {file / example}.")
    found = find_rounds(options.place)
    with Progress("check shards", len(found)) as progress:
        surveys = []
        for folder, files in found.items():
            surveys.append(survey_round(folder, files, options.root))
            progress.advance()
    print(list_files(surveys, options.place).to_string(index=False))
    good, tables = [survey for survey in surveys if survey.heads], []
    problems = [line for survey in surveys for lines in survey.problems.values() for line in lines]
    for survey in good:
        truth = _true_labels(survey, options.labels)
        counts, faults = count_round(survey, previous_heads(survey, surveys), truth)
        problems += faults
        tables.append(summarise_round(survey.head, counts))
        print(f"\n{survey.head.title}: {counts.images[0]} images")
        print(format_summary(tables[-1]))
        if counts.images[1]:
            print(f"changed: against round {survey.head.identity.round - 1}, {counts.images[1]} images")
        if truth is not None:
            print(f"true labels of {counts.images[2]} images: {truth.source}")
    if tables:
        print(f"\n{fit_to_width(LEGEND, terminal_width())}", end="")
    if options.csv is not None and tables:
        write_text(options.csv, format_csv(pd.concat(tables), "%.6g"))
    for write, path in ((_write_overlays, options.png), (_write_galleries, options.gallery)):
        if path is not None:
            try:
                write(good, surveys, path)
            except LbtError as error:
                problems.append(str(error))
    if problems:
        raise LbtError("some shards have problems:", *problems)


def _true_labels(survey: Survey, folder: Path | None) -> TrueLabels | None:
    from lbt.pseudo_labels.true_labels import TrueLabels

    if survey.origin is None:
        if folder is not None:
            survey.samples()  # raises with what is missing
        return None
    return TrueLabels(survey.origin.data, folder) if survey.origin.split.is_file() else None


def _write_overlays(good: Sequence[Survey], _: Sequence[Survey], folder: Path) -> None:
    from lbt.views.label_overlays import write_overlays

    for survey in good:
        samples = survey.samples()
        print(f"overlays: {write_overlays(folder, survey.heads, samples, survey.require_origin().data)}")


def _write_galleries(good: Sequence[Survey], surveys: Sequence[Survey], path: Path) -> None:
    from lbt.pseudo_labels.survey import previous_heads
    from lbt.views.gallery import write_gallery

    pages = {_identify(survey): path for survey in good}
    if len(good) > 1:
        pages = {_identify(s): path.with_name(f"{path.stem}-{s.head.file_name}{path.suffix}") for s in good}
    if len(pages) < len(good):
        raise LbtError("--gallery: two rounds have the same method, seed and number; name the folder of one run.")
    for survey in good:
        method, seed, number = _identify(survey)
        near = {"previous": (method, seed, number - 1), "next": (method, seed, number + 1)}
        links = {where: pages[key].name if key in pages else None for where, key in near.items()}
        samples, before = survey.samples(), previous_heads(survey, surveys)
        data = survey.require_origin().data
        write_gallery(pages[_identify(survey)], survey.heads, before, samples, data, links)
        print(f"gallery: {pages[_identify(survey)]}")


def _identify(survey: Survey) -> tuple[str, int, int]:
    return *survey.head.search, survey.head.identity.round
