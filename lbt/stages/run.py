"""One job of a stage, from the workflow's description of it to its outputs and their manifest."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from lbt.config import Section
from lbt.config.jobs import ResumingJob, TrainingJob
from lbt.files import canonical_json, digest, open_own, remove_leftovers, software_versions, write_text
from lbt.provenance.lock import locked
from lbt.provenance.manifest import InputFile, require_unchanged, verify_inputs, write_manifest
from lbt.runtime.gpus import take_gpus
from lbt.stages.table import STAGES

if TYPE_CHECKING:
    from lbt.runtime.resume import Resume

Names = Mapping[str, str | Sequence[str]]
"""Paths by the name that they have in a rule: one, several, or an empty list for an optional one."""
Files = TypeVar("Files")


@dataclass(frozen=True)
class Job:
    """A job as the workflow describes it.

    Attributes:
        settings: the JSON values of the stage's settings, those without effect on results too.
        code: fingerprint of the code that it runs.
        images: digests of the images that it reads, for the manifest.
        inputs: the named inputs of its rule.
        outputs: the named outputs of its rule; `manifest` is one of them.
    """

    settings: Mapping[str, Any]
    code: str
    images: Any
    inputs: Names
    outputs: Names

    def to_json(self) -> str:
        """The description as one word for a command line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @property
    def method(self) -> str:
        """The search method; empty for a job that belongs to none."""
        return str(self.settings.get("method", ""))

    def parse_settings(self, stage: str) -> Section:
        """The settings as the stage's model."""
        return STAGES[stage].model(self.method).model_validate_json(json.dumps(self.settings))


def run_job(stage: str, job: Job, log: Path) -> None:
    """Do a job and write its manifest.

    Raises:
        LbtError: another process is at work on the outputs, an input is missing, damaged or replaced meanwhile, or the
            stage itself fails.
    """
    manifest = Path(str(job.outputs["manifest"]))
    inputs = list(_paths(job.inputs))
    outputs = [path for path in _paths(job.outputs) if path != manifest]
    with locked(manifest):
        remove_leftovers([*outputs, manifest])
        write_text(log, "")
        read = verify_inputs(inputs)
        settings = job.parse_settings(stage)
        _take_gpus(stage, settings, log)
        resume = _resume(stage, job, settings, read, outputs[0]) if isinstance(settings, ResumingJob) else None
        _compute(stage, job, settings, resume, log)
        require_unchanged(read)
        write_manifest(
            manifest,
            stage=stage,
            settings=settings.tracked(),
            code=job.code,
            images=job.images,
            devices=_devices(stage, settings),
            inputs=read,
            outputs=outputs,
        )
        if resume is not None:
            resume.remove()


def build_files(kind: type[Files], named: Names) -> Files:
    """The files of a stage from their names and paths. The rule of the stage must name what its `Files` lists."""
    types = get_type_hints(kind)
    found: dict[str, Path | tuple[Path, ...]] = {}
    for name, value in named.items():
        paths = tuple(_paths({name: value}))
        if types[name] == tuple[Path, ...]:
            found[name] = paths
        elif paths:
            (found[name],) = paths
    return kind(**found)


def _take_gpus(stage: str, settings: Section, log: Path) -> None:
    """Show only free GPUs of this machine to a stage that runs on GPUs."""
    chosen = STAGES[stage]
    if not chosen.on_gpu or attrgetter("compute.device")(settings) == "cpu":
        return

    def note(text: str) -> None:
        print(f"{stage}: {text}", file=sys.stderr)
        with open(log, "a", encoding="utf-8", opener=open_own) as file:
            file.write(f"{stage}: {text}\n")

    take_gpus(_processes(stage, settings), first=chosen.measures, note=note)


def _devices(stage: str, settings: Section) -> list[dict[str, str]] | None:
    """The devices on which a stage ran; None for a stage that never runs on a GPU."""
    if not STAGES[stage].on_gpu:
        return None
    from lbt.runtime.device import describe_devices

    return describe_devices(attrgetter("compute")(settings), _processes(stage, settings))


def _processes(stage: str, settings: Section) -> int:
    gpus = STAGES[stage].gpus
    return 1 if gpus is None else attrgetter(gpus)(settings)


def _compute(stage: str, job: Job, settings: Section, resume: Resume | None, log: Path) -> None:
    """Do the work of a stage, in as many processes as its settings say."""
    gpus, count = STAGES[stage].gpus, _processes(stage, settings)
    if gpus is not None and count > 1:
        from lbt.runtime.device import check_gpus
        from lbt.runtime.processes import run_together

        device = check_gpus(gpus, count, attrgetter("compute.device")(settings))
        run_together(count, device, _run_module, stage, job, resume, log)
    else:
        _run_module(stage, job, resume, log)


def _run_module(stage: str, job: Job, resume: Resume | None, log: Path) -> None:
    module = import_module(STAGES[stage].module)
    outputs = {name: value for name, value in job.outputs.items() if name != "manifest"}
    files = build_files(module.Files, {**job.inputs, **outputs})
    settings = job.parse_settings(stage)
    options = {"resume": resume, "code": job.code, "settings_digest": digest(settings.tracked()), "log": log}
    taken = inspect.signature(module.run).parameters
    module.run(settings, files, **{name: value for name, value in options.items() if name in taken})


def _resume(stage: str, job: Job, settings: ResumingJob, read: Mapping[Path, InputFile], first: Path) -> Resume:
    """The side file of a stage, beside its first output."""
    from lbt.data.file_versions import stat_digests
    from lbt.data.splits import read_split
    from lbt.runtime.resume import Resume

    path = first.with_name(f"{first.name}.resume")
    remove_leftovers([path])
    identity = {
        "stage": stage,
        "settings": canonical_json(settings.tracked()),
        "code": job.code,
        "inputs": [file.sha256 for file in read.values()],
        "versions": software_versions(),
    }
    if isinstance(settings, TrainingJob):
        split, roles = Path(str(job.inputs["split"])), STAGES[stage].roles_read(job.method)
        samples = [sample for role in roles for sample in read_split(split, role)]
        identity["images"] = digest(stat_digests(settings.data.root, samples))
    return Resume(path, identity, settings.compute.checkpoint_minutes)


def _paths(named: Names) -> Iterator[Path]:
    for value in named.values():
        yield from map(Path, [value] if isinstance(value, str) else value)
