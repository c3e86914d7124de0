"""`python -m lbt check CONFIG`: check settings and data before a run; `check results/RUN`: name outdated results."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.config.methods import METHODS
from lbt.errors import LbtError

if TYPE_CHECKING:
    from lbt.config import Settings
    from lbt.data.problems import Problem

HELP = "check a configuration and its data set, or whether the results of a run are outdated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration file or the folder of a run."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = """\
Reads a configuration and every file of its data set, and prints what it found and how much disk the run needs. Writes
nothing. Lists every problem with what to change; of many files with the same problem it names the first ones.

Given the folder of a run, compares the results with its settings.yaml, the present code and the present images, and
prints the command that makes outdated results again. Snakemake does the same at each start if it has records of the
run. Use this command after you copied results without the hidden folder .snakemake, or after the clock changed."""
    parser.epilog = "Exit code 0 if the run can start; 1 if there is a problem."
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="a YAML file, such as config/config.yaml, or a folder results/RUN"
    )


def run(options: argparse.Namespace) -> None:
    """Check settings and data, and print the result."""
    from lbt.config.read import read_settings
    from lbt.data.checking.check import check_data, describe, describe_warnings
    from lbt.data.problems import Problem
    from lbt.data.scenes.write_dataset import SCENES_FILE
    from lbt.stages.disk_space import check_disk
    from lbt.stages.other_data import describe_other_data

    if options.config.is_dir():
        print(_outdated(options.config, options.config / "settings.yaml") or f"{options.config}: nothing is outdated.")
        return
    settings = read_settings(options.config)
    folder = Path("results") / settings.run
    problems = _weight_problems(settings)
    if other := describe_other_data(settings, folder):
        problems.append(Problem(*other.split(": ", 1)))
    if settings.scenes is not None and not (Path(settings.data.root) / SCENES_FILE).exists():
        if problems:
            raise LbtError(*map(str, problems))
        print(f"{options.config}: the settings are good. The first run generates the street scenes and checks them.")
        print(check_disk(settings, folder))
        return
    report = check_data(settings, problems)
    if any(METHODS[method].needs_pseudo_labels for method in settings.methods):
        _check_ratio(settings, report["parts"])
    print(describe(report))
    print(check_disk(settings, folder, report))
    if outdated := _outdated(folder, options.config):
        print(outdated)
    if warnings := describe_warnings(report):
        print(warnings)


def _outdated(folder: Path, config: Path) -> str:
    """Which results in the folder of a run are outdated, with the command that makes them again."""
    from lbt.config.read import read_settings
    from lbt.provenance.outdated import describe_outdated, find_outdated
    from lbt.stages.up_to_date import find_changes, versions_of_data

    settings = read_settings(config)
    versions, _ = versions_of_data(settings, print)
    outdated = find_outdated(folder, lambda manifest: find_changes(manifest, settings, versions))
    return describe_outdated(outdated, config)


def _check_ratio(settings: Settings, parts: dict[str, int]) -> None:
    """Raise LbtError if the ratio of pseudo labels asks for too many images, or leaves too few for a batch."""
    from lbt.pseudo_labels.dataset import count_to_label

    search, ratio = settings.search, settings.search.pseudo_labels.ratio
    count = count_to_label(ratio, parts["student_train"], parts["unlabeled"])
    for key, size in {"search.student.batch_size": search.student.batch_size, "search.shards": search.shards}.items():
        if size > count:
            raise LbtError(
                f"{key}: is {size}, above the {count} image(s) that the teacher labels with search.pseudo_labels.ratio "
                f"= {ratio}; lower it or raise the ratio."
            )


def _weight_problems(settings: Settings) -> list[Problem]:
    """Problems of the file with the student's first weights, if a method reads one.

    The workflow finds a missing file before its first job, but a file that does not fit only after the warm-up.
    """
    from lbt.data.classes import class_table
    from lbt.data.problems import Problem
    from lbt.runtime.distributed import ALONE
    from lbt.search.torchvision_network import build_network

    student = settings.search.student
    if student.weights_file is None or not any(METHODS[method].has_student for method in settings.methods):
        return []
    classes = class_table(settings.data).num_classes
    try:
        build_network(student, classes, 0, ALONE)
    except LbtError as error:
        return [Problem("search.student.weights", str(error))]
    return []
