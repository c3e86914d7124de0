"""Manifests: the record of the inputs, settings and code that made the outputs of a stage.

It is a hidden file, so that people see results only. It lies beside the outputs, so that a folder of results that is
copied or moved keeps it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field, JsonValue, ValidationError

from lbt.config import Section
from lbt.config.names import require_below
from lbt.errors import LbtError
from lbt.files import digest, read_json, sha256, software_versions, write_json

PATTERN = ".manifest*.json"
"""Names of manifests; stages that share a folder have one each."""

_VERSION = 3


class InputFile(NamedTuple):
    """A file as it was when its stage began; `stat` is device, inode, size and time of its last change."""

    sha256: str
    stat: tuple[int, int, int, int]


class FileRecord(Section):
    """The content of a file."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class Manifest(Section):
    """What a stage made from what.

    File names are relative to the manifest's folder, so a results folder can move.

    Attributes:
        settings: all settings that it read.
        settings_digest: their digest.
        code: fingerprint of its code.
        images: digests of the user's images and masks by their role; None if it reads none or synthetic ones.
        versions: of the software that can change a result.
        devices: name of each GPU that it ran on with its UUID, or of the processor; None if it runs on no GPU.
        inputs: the files that it read.
        outputs: the files that it wrote, in the manifest's folder or below.
        digest: of all other content.
    """

    schema_version: int
    stage: str
    settings: dict[str, JsonValue]
    settings_digest: str
    code: str
    images: JsonValue
    versions: dict[str, str]
    devices: list[dict[str, str]] | None = None
    inputs: dict[str, FileRecord]
    outputs: dict[Annotated[str, AfterValidator(require_below)], FileRecord]
    digest: str


def verify_inputs(paths: Iterable[Path]) -> dict[Path, InputFile]:
    """Digest the files that a stage is about to read, and compare them with the manifests in their folders.

    A file that no manifest lists, such as one of the user's, is digested only.

    Raises:
        LbtError: a file is missing or differs from its digest; its manifest is damaged or has another schema version.
    """
    found = {}
    for path in paths:
        if not path.exists():
            raise LbtError(f"{path}: is missing. Run the stage that makes it.")
        if not path.is_file():
            continue
        try:
            found[path] = InputFile(sha256(path), _stat(path))
        except OSError as error:
            raise LbtError(f"{path}: could not be read ({error.strerror}). Restore it.") from error
        for manifest_path in sorted(path.parent.glob(PATTERN)):
            manifest = read_manifest(manifest_path)
            record = manifest.outputs.get(path.name)
            if record is not None and record.sha256 != found[path].sha256:
                raise LbtError(
                    f"{path}: its content differs from the digest in {manifest_path}. Delete it and rerun stage "
                    f"{manifest.stage}."
                )
    return found


def require_unchanged(inputs: Mapping[Path, InputFile]) -> None:
    """Check that files did not change while the stage ran.

    Raises:
        LbtError: a file was replaced or removed, so nobody knows which content the stage has read.
    """
    for path, before in inputs.items():
        try:
            same = _stat(path) == before.stat or sha256(path) == before.sha256
        except OSError:
            same = False
        if not same:
            raise LbtError(
                f"{path}: was changed or removed while this stage read it. Let no other run use the folder, and rerun "
                "the stage."
            )


def write_manifest(
    path: Path,
    *,
    stage: str,
    settings: Mapping[str, Any],
    code: str,
    images: Any = None,
    devices: Sequence[Mapping[str, str]] | None = None,
    inputs: Mapping[Path, InputFile],
    outputs: Sequence[Path],
) -> None:
    """Write the record of a stage's run, see `Manifest`; folders among the outputs are not listed."""

    def relative(file: Path) -> str:
        return os.path.relpath(file, path.parent)

    content = {
        "schema_version": _VERSION,
        "stage": stage,
        "settings": dict(settings),
        "settings_digest": digest(settings),
        "code": code,
        "images": images,
        "versions": software_versions(),
        "devices": devices,
        "inputs": {relative(f): {"sha256": read.sha256, "bytes": read.stat[2]} for f, read in sorted(inputs.items())},
        "outputs": {
            relative(f): {"sha256": sha256(f), "bytes": f.stat().st_size} for f in sorted(outputs) if f.is_file()
        },
    }
    write_json(path, content | {"digest": digest(content)})


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        LbtError: it cannot be read, is damaged, has another schema version, or lists outputs outside of its folder.
    """
    content = read_json(path)
    found = content.get("schema_version") if isinstance(content, dict) else None
    if found != _VERSION:
        raise LbtError(f"{path}: schema version {found!r}, this program reads {_VERSION}. Rerun its stage.")
    if content.get("digest") != digest({key: value for key, value in content.items() if key != "digest"}):
        raise LbtError(f"{path}: is damaged, or was edited (its digest is not that of its content). Rerun its stage.")
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, problem = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        raise LbtError(f"{path}: is not a manifest ({place}: {problem}). Delete it and rerun its stage.") from error


def _stat(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
