"""Command line: `python -m lbt check CONFIG`, `python -m lbt show RUN`, and the stages that the workflow runs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from lbt.artifacts import verify_inputs, write_manifest, write_text
from lbt.config import Settings
from lbt.data.layouts import Problem
from lbt.errors import LbtError
from lbt.stages import STAGES, parse_stage_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code: 0, or 1 with one message on standard error."""
    options = _parser().parse_args(arguments)
    try:
        options.action(options)
    except LbtError as error:
        print(f"lbt {options.command}: {error}", file=sys.stderr)
        if getattr(options, "log", None) is not None:
            # the message is out; a log that cannot be written must not hide it
            with suppress(OSError), open(options.log, "a", encoding="utf-8") as log:
                log.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        print(f"lbt {options.command}: interrupted", file=sys.stderr)
        return 130
    return 0


def check(options: argparse.Namespace) -> None:
    """Check settings and data, and print what was found."""
    from lbt.config_file import read_settings
    from lbt.data.check import check_data, describe
    from lbt.data.streetscenes import SCENES_FILE
    from lbt.search.methods import teaches
    from lbt.search.pseudo_labeled import count_to_label

    settings = read_settings(options.config)
    problems = _weight_problems(settings)
    if settings.scenes is not None and not (Path(settings.data.root) / SCENES_FILE).exists():
        if problems:
            raise LbtError("\n".join(map(str, problems)))
        print(f"{options.config}: the settings are good. The street scenes are drawn and checked by the first run.")
        return
    report = check_data(settings, problems)
    if any(map(teaches, settings.methods)):
        parts = report["parts"]
        count_to_label(settings.search.pseudo_labels.ratio, parts["student_train"], parts["unlabeled"])
    print(describe(report))


def _weight_problems(settings: Settings) -> list[Problem]:
    """What is wrong with the file of the student's first weights, if a method reads one.

    The workflow would find a missing file before its first job, but one that does not fit only after the warm-up.
    """
    from lbt.data.classes import class_table
    from lbt.search.methods import has_student
    from lbt.search.student import build_student

    student = settings.search.student
    if student.weights_file is None or not any(map(has_student, settings.methods)):
        return []
    classes = class_table(settings.data).num_classes
    try:
        build_student(student, classes, seed=0)
    except LbtError as error:
        return [Problem("search.student.weights", str(error))]
    return []


def show(options: argparse.Namespace) -> None:
    """Print the tables of a run."""
    from lbt.views.tables import print_tables

    print_tables(options.run)


def stage(options: argparse.Namespace) -> None:
    """Run one stage of the workflow."""
    inputs, outputs = _paths(options.inputs), _paths(options.outputs)
    several = {key: [Path(path) for path in paths] for key, *paths in options.several}
    read = [*inputs.values(), *(path for paths in several.values() for path in paths)]
    write_text(options.log, "")
    verify_inputs(read)
    untracked = {key: int(value) for key, _, value in (pair.partition("=") for pair in options.untracked)}
    settings = parse_stage_settings(options.settings, options.name, untracked)
    if options.name == "label":
        settings["code"] = options.code
    run = import_module(STAGES[options.name].module).run
    run(**settings, **inputs, **several, **outputs, log=options.log)
    if options.manifest is not None:
        write_manifest(
            options.manifest,
            stage=options.name,
            settings=json.loads(options.settings),
            code=options.code,
            inputs=read,
            outputs=list(outputs.values()),
        )


def _paths(pairs: Sequence[str]) -> dict[str, Path]:
    """From `key=path` words to paths by key."""
    return {key: Path(path) for key, _, path in (pair.partition("=") for pair in pairs)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lbt", description="Learning by Teaching: architecture search.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser("check", help="check a configuration and its data set before any hour is spent")
    command.add_argument("config", type=Path, metavar="CONFIG", help="the YAML file, such as config/config.yaml")
    command.set_defaults(action=check)

    command = commands.add_parser("show", help="print the tables of a finished run")
    command.add_argument("run", type=Path, metavar="RUN", help="the folder of the run, such as results/default")
    command.set_defaults(action=show)

    command = commands.add_parser(
        "stage",
        help="run one stage (the workflow calls this)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="stages:\n" + "\n".join(f"  {name:18} {stage.help}" for name, stage in STAGES.items()),
    )
    command.add_argument("name", choices=STAGES, metavar="NAME", help="name of the stage, see below")
    command.add_argument("--settings", required=True, metavar="JSON", help="the stage's settings as canonical JSON")
    command.add_argument("--code", required=True, help="fingerprint of the stage's code, kept in the manifest")
    command.add_argument(
        "--untracked", nargs="*", default=[], metavar="KEY=INTEGER", help="settings that change no result"
    )
    command.add_argument("--log", type=Path, required=True, help="file for plain progress lines")
    command.add_argument("--manifest", type=Path, help="file for the record of settings, code and digests")
    command.add_argument("--inputs", nargs="*", default=[], metavar="KEY=PATH", help="files that the stage reads")
    command.add_argument(
        "--several", nargs="+", action="append", default=[], metavar=("KEY", "PATH"), help="an input of many files"
    )
    command.add_argument("--outputs", nargs="*", default=[], metavar="KEY=PATH", help="files that the stage writes")
    command.set_defaults(action=stage)
    return parser


if __name__ == "__main__":
    sys.exit(main())
