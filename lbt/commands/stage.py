"""`python -m lbt stage NAME ...`: one stage, as the workflow runs it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbt.files import digest, remove_leftovers, software_versions, write_text
from lbt.provenance import earlier
from lbt.provenance.lock import locked
from lbt.provenance.manifest import InputFile, require_unchanged, verify_inputs, write_manifest
from lbt.stages.settings import parse_stage_settings
from lbt.stages.table import STAGES, Stage, roles_read

if TYPE_CHECKING:
    from lbt.runtime.resume import Resume

HELP = "run one stage (the workflow calls this)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stage's name, settings and files."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "stages:\n" + "\n".join(f"  {name:18} {stage.help}" for name, stage in STAGES.items())
    parser.add_argument("name", choices=STAGES, metavar="NAME", help="name of the stage, see below")
    parser.add_argument("--settings", required=True, metavar="JSON", help="the stage's settings as canonical JSON")
    parser.add_argument("--code", required=True, help="fingerprint of the stage's code, kept in the manifest")
    parser.add_argument(
        "--untracked", nargs="*", default=[], metavar="KEY=NUMBER", help="settings that change no result"
    )
    parser.add_argument(
        "--images", default="null", metavar="JSON", help="digests of the images that it reads, kept in the manifest"
    )
    parser.add_argument("--log", type=Path, required=True, help="file for plain progress lines")
    parser.add_argument("--manifest", type=Path, help="file for the record of settings, code and digests")
    parser.add_argument("--inputs", nargs="*", default=[], metavar="KEY=PATH", help="files that the stage reads")
    parser.add_argument(
        "--several", nargs="+", action="append", default=[], metavar=("KEY", "PATH"), help="an input of many files"
    )
    parser.add_argument(
        "--reads", nargs="*", default=[], type=Path, metavar="PATH", help="further files, which the settings name"
    )
    parser.add_argument(
        "--outputs", nargs="*", default=[], metavar="KEY=PATH", help="files or folders that the stage writes"
    )
    parser.add_argument(
        "--record", nargs="*", default=[], metavar="PATH", help="files in these folders, for the manifest"
    )


def run(options: argparse.Namespace) -> None:
    """Run the stage and write its manifest."""
    outputs = _paths(options.outputs)
    with locked(options.manifest or next(iter(outputs.values()))):
        _run(options, outputs)


def _run(options: argparse.Namespace, outputs: Mapping[str, Path]) -> None:
    inputs = _paths(options.inputs)
    several = {key: [Path(path) for path in paths] for key, *paths in options.several}
    remove_leftovers([*outputs.values(), *filter(None, [options.manifest])])
    write_text(options.log, "")
    read = verify_inputs([*inputs.values(), *(path for paths in several.values() for path in paths), *options.reads])
    untracked = {key: json.loads(value) for key, _, value in (pair.partition("=") for pair in options.untracked)}
    settings = parse_stage_settings(options.settings, options.name, untracked)
    if options.name == "label":
        settings["code"] = options.code
    resume = None
    if STAGES[options.name].resumes:
        resume = settings["resume"] = _resume(options, settings, read, outputs)
    _compute(STAGES[options.name], {**settings, **inputs, **several, **outputs, "log": options.log})
    require_unchanged(read)
    if options.manifest is not None:
        write_manifest(
            options.manifest,
            stage=options.name,
            settings=json.loads(options.settings),
            code=options.code,
            images=json.loads(options.images),
            inputs=read,
            outputs=[*outputs.values(), *map(Path, options.record)],
        )
        earlier.forget(options.manifest)
    if resume is not None:
        resume.remove()


def _resume(
    options: argparse.Namespace,
    settings: dict[str, Any],
    read: Mapping[Path, InputFile],
    outputs: Mapping[str, Path],
) -> Resume:
    """The side file of a stage, beside its first output."""
    from lbt.data.file_versions import stat_digests
    from lbt.data.splits import read_split
    from lbt.runtime.resume import Resume

    first = next(iter(outputs.values()))
    path = first.with_name(f"{first.name}.resume")
    remove_leftovers([path])
    split = _paths(options.inputs)["split"]
    images = [
        sample for role in roles_read(options.name, settings.get("method", "")) for sample in read_split(split, role)
    ]
    identity = {
        "stage": options.name,
        "settings": options.settings,
        "code": options.code,
        "inputs": [file.sha256 for file in read.values()],
        "images": digest(stat_digests(settings["data"].root, images)),
        "versions": software_versions(),
    }
    return Resume(path, identity, settings["compute"].checkpoint_minutes)


def _compute(stage: Stage, arguments: dict[str, Any]) -> None:
    """Do the work of a stage, in as many processes as its settings want."""
    if stage.gpus is not None:
        section, _, key = stage.gpus.partition(".")
        count = getattr(arguments[section], key)
        if count > 1:
            from lbt.runtime.processes import check_gpus, run_together

            device = check_gpus(stage.gpus, count, arguments["compute"].device)
            run_together(count, device, _run_module, stage.module, arguments)
            return
    _run_module(stage.module, arguments)


def _run_module(module: str, arguments: dict[str, Any]) -> None:
    import_module(module).run(**arguments)


def _paths(pairs: Sequence[str]) -> dict[str, Path]:
    """From `key=path` words to paths by key."""
    return {key: Path(path) for key, _, path in (pair.partition("=") for pair in pairs)}
