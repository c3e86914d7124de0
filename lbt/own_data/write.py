"""`lbt init`: write the proposed file of settings, and say what was found and what to do next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import torch

import lbt
from lbt.config.schema import point_to_schema
from lbt.data.checking.check import describe_warnings
from lbt.errors import LbtError, visible
from lbt.files import write_text
from lbt.own_data.budget import Device
from lbt.own_data.duration import Duration, estimate_duration
from lbt.own_data.layout import find_layout
from lbt.own_data.proposal import Proposal, name_run, propose

_LARGE = 3_000_000
"""Pixels of a photograph above which smaller copies are advised."""


def write_proposal(photos: Path, masks: Path, class_file: Path | None, output: Path | None) -> Iterator[str]:
    """Write a file of settings; yields the lines for the terminal.

    Args:
        photos, masks: the user's folders.
        class_file: names of classes, or None.
        output: the file to write; None for the name of the run, in `config/` where this is the clone.

    Raises:
        LbtError: the file exists already, or see `lbt.own_data.proposal.propose`.
    """
    if output is not None:
        _refuse_existing(output)
    layout = find_layout(photos, masks)
    name = name_run(layout.root.name if output is None else output.stem)
    file = output or (Path("config") if Path("config/config.yaml").exists() else Path()) / f"{name}.yaml"
    _refuse_existing(file)
    device: Device = "cuda" if torch.cuda.is_available() else "cpu"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = propose(layout, name, class_file, device, cores)
    duration = estimate_duration(found.settings, found.division.roles, len(found.classes.classes), cores)
    shown = photos if photos.absolute() != masks.absolute() else layout.root / Path(layout.labelled[0][0]).parent
    commands = _commands(file, found, shown, cores)
    write_text(file, found.text(_head(file, found, duration, device, commands)))
    yield f"{file}: written for {layout.root}"
    yield from (f"  {line}" for line in _summary(found))
    yield f"  time: {duration} on this machine ({_device_name(device)}); {duration.how}"
    if found.warnings:
        yield describe_warnings({"warnings": found.warnings})
    yield "Next:"
    yield from (f"  {command}" for command in commands)


def _refuse_existing(file: Path) -> None:
    if file.is_dir():
        raise LbtError(f"--output: {file} is a folder. Name the file to write, such as {file / 'my-camera.yaml'}.")
    if os.path.lexists(file):
        raise LbtError(f"{file}: exists and is not replaced. Remove it, or name another file with --output.")


def _head(file: Path, found: Proposal, duration: Duration, device: Device, commands: list[str]) -> list[str]:
    schema = point_to_schema(file)
    return [
        *([schema] if schema else []),
        f"Settings for {visible(found.layout.root)}, written by `lbt init`. config/README.md explains every key.",
        f"A run takes {duration} on the machine that wrote this ({_device_name(device)}):",
        f"{duration.how}.",
        *(visible(line) for line in commands),
    ]


def _summary(found: Proposal) -> Iterator[str]:
    layout, survey, classes = found.layout, found.survey, found.classes
    height, width = survey.usual_size
    others = f", and {len(survey.sizes) - 1} more size(s)" if len(survey.sizes) > 1 else ""
    yield (
        f"photographs: {len(layout.labelled)} with a mask, {len(layout.unlabelled)} without; "
        f"width x height {width} x {height}{others}"
    )
    yield "parts: " + ", ".join(f"{role} {count}" for role, count in found.counts.items())
    kind = "ids" if survey.mask_values == "id" else "colours"
    source = f"named after {visible(classes.source)}" if classes.source else "name them in the file, or by --classes"
    yield f"classes: {len(classes.classes)} by {kind}; {source}"
    longest = max(len(visible(one.name, 40)) for one in classes.classes)
    for one in classes.classes:
        value = one.value if isinstance(one.value, int) else list(one.value)
        yield f"  {visible(one.name, 40):{longest}} {value!s:>15} {100 * one.share:7.2f} %"
    if classes.ignored:
        shown = ", ".join(
            f"{value if isinstance(value, int) else list(value)} ({visible(why, 60)})"
            for value, why in list(classes.ignored.items())[:8]
        )
        yield f"ignored: {shown}" + (f" and {len(classes.ignored) - 8} more" if len(classes.ignored) > 8 else "")
    if survey.is_sample:
        yield (
            f"note: {len(survey.counts)} of {survey.masks} masks were read, evenly spaced; values that only the others "
            "hold are not known yet: the run and `lbt check` read every file and name them"
        )
    elif found.warnings is None:
        yield "note: not every photograph was read; the run and `lbt check` read every file"
    for note in layout.notes:
        yield f"note: {note}"
    if found.division.frames:
        yield "note: the photographs are named like frames of a video; neighbours stay in one part (data.folder.group)"
    if len(classes.classes) > 2 and all(isinstance(c.value, tuple) and len(set(c.value)) == 1 for c in classes.classes):
        yield (
            "note: the masks hold grey in three channels, so pictures of results are grey too; save the masks with one "
            "channel of ids for colours of your own"
        )
    if height * width > _LARGE:
        yield (
            f"note: photographs of {height * width / 1e6:.0f} million pixels are slow, and a crop shows "
            "little of them; smaller copies of photographs and masks (masks without smoothing) are advised"
        )


def _commands(file: Path, found: Proposal, photos: Path, cores: int) -> list[str]:
    """The two next commands."""
    here = Path("workflow/Snakefile")
    beside = Path(lbt.__file__).absolute().parents[1] / here
    snakefile = f" --snakefile {quote(str(beside))}" if not here.exists() and beside.exists() else ""
    network = f"results/{found.settings.run}/best/network.pt"
    return [
        f"snakemake{snakefile} --cores {cores} --configfile {quote(str(file))}",
        f"lbt predict {network} {quote(str(photos))}",
    ]


def _device_name(device: Device) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "CPU"
