"""`lbt check CONFIG`: check settings and data before a run; `check results/RUN`: name outdated results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lbt.config.methods import METHODS
from lbt.errors import LbtError

if TYPE_CHECKING:
    from lbt.config import Settings

HELP = "check a configuration and its data set, or whether the results of a run are outdated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the configuration files or the folder of a run, and single settings."""
    parser.description = """\
Reads a configuration and every file of its data set. Prints what it found, how much disk the run needs, and about how
long it takes. Writes nothing, but downloads weights that the student starts from. Lists every problem with what to
change; of many files with the same problem it names the first ones. Several files and --config mean the same as for
snakemake.

Given the folder of a run, compares the results with its settings.yaml, the present code and the present images, and
prints the command that makes outdated results again. Snakemake does the same at each start if it has records of the
run. Use this command after you copied results without the hidden folder .snakemake, or after the clock changed."""
    parser.epilog = "Exit code 0 if the run can start; 1 if there is a problem."
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", help="a YAML file, such as config/config.yaml, or a folder results/RUN"
    )
    parser.add_argument(
        "further", type=Path, nargs="*", default=[], metavar="CONFIG", help="files that replace what they name"
    )
    parser.add_argument(
        "--config", dest="settings", nargs="+", action="append", metavar="KEY=VALUE", help="single settings"
    )


def run(options: argparse.Namespace) -> None:
    """Check settings and data, and print the result."""
    from lbt.config.read import read_configuration
    from lbt.config.sources import refuse_repeated
    from lbt.data.checking.check import check_data, describe, describe_warnings
    from lbt.data.problems import raise_problems
    from lbt.data.scenes.write_dataset import SCENES_FILE
    from lbt.provenance.older_version import refuse_older
    from lbt.stages.disk_space import check_disk, count_images
    from lbt.stages.preconditions import find_obstacles
    from lbt.stages.run_time import describe_time
    from lbt.views.results import find_settings

    first = options.config
    if first.is_dir():
        refuse_older(first)
        file = find_settings(first)
        settings = read_configuration([file]).settings
        print(_outdated(first, settings, _words([file], [])) or f"{first}: nothing is outdated.")
        return
    given = getattr(options, "settings", None) or [[]]
    refuse_repeated(["--config"] * len(given))
    files, single = [first, *getattr(options, "further", ())], given[0]
    configuration = read_configuration(files, single)
    settings, folder = configuration.settings, Path("results") / configuration.settings.run
    for path in configuration.paths:
        if path.origin or path.taken != path.written:
            print(path)
    problems = find_obstacles(settings, folder)
    if settings.scenes is not None and not (Path(settings.data.root) / SCENES_FILE).exists():
        from lbt.data.checking.planned_scenes import check_planned_scenes

        parts, more = check_planned_scenes(settings)
        raise_problems(settings.data.root, [*problems, *more])
        _check_ratio(settings, parts)
        print(f"{first}: the settings are good. The first run generates the street scenes and checks them.")
        print(check_disk(settings, folder))
        size = settings.scenes.height * settings.scenes.width
        print(describe_time(settings, parts | {"train": settings.scenes.train}, size, folder))
        return
    report = check_data(settings, problems)
    _check_ratio(settings, report["parts"])
    print(describe(report))
    print(check_disk(settings, folder, report))
    train = sum(report["splits"]["train"]["sizes"].values())
    pixels = count_images(settings, report).pixels
    print(describe_time(settings, report["parts"] | {"train": train}, pixels, folder))
    if outdated := _outdated(folder, settings, _words(files, single)):
        print(outdated)
    if warnings := describe_warnings(report):
        print(warnings)


def _words(config: Sequence[Path], options: Sequence[str]) -> list[str]:
    """The options of snakemake for these settings."""
    return ["--configfile", *map(str, config), *(["--config", *options] if options else [])]


def _outdated(folder: Path, settings: Settings, words: Sequence[str]) -> str:
    """Which results in the folder of a run are outdated, with the command that makes them again."""
    from lbt.provenance.outdated import describe_outdated, find_outdated
    from lbt.stages.up_to_date import find_changes, versions_of_data

    versions, _ = versions_of_data(settings, print)
    outdated = find_outdated(folder, lambda manifest: find_changes(manifest, settings, versions))
    return describe_outdated(outdated, words)


def _check_ratio(settings: Settings, parts: dict[str, int]) -> None:
    """Raise LbtError if the ratio of pseudo labels asks for too many images, or leaves too few for a batch."""
    from lbt.pseudo_labels.dataset import count_to_label

    if not any(METHODS[method].needs_pseudo_labels for method in settings.methods):
        return
    search, ratio = settings.search, settings.search.pseudo_labels.ratio
    count = count_to_label(ratio, parts["student_train"], parts["unlabeled"])
    for key, size in {"search.student.batch_size": search.student.batch_size, "search.shards": search.shards}.items():
        if size > count:
            raise LbtError(
                f"{key}: is {size}, above the {count} image(s) that the teacher labels with search.pseudo_labels.ratio "
                f"= {ratio}; lower it or raise the ratio."
            )
