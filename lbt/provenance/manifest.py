"""Manifests: beside the outputs of each stage, the record of what made them from what."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.errors import LbtError
from lbt.files import digest, read_json, sha256, software_versions, write_json

PATTERN = "manifest*.json"
"""Names of manifests; stages that share a folder have one each."""

_VERSION = 3


@dataclass(frozen=True)
class InputFile:
    """A file as it was when its stage began.

    Attributes:
        sha256: digest of its content.
        stat: device, inode, size and time of its last change.
    """

    sha256: str
    stat: tuple[int, int, int, int]


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
        found[path] = InputFile(sha256(path), _stat(path))
        for manifest_path in sorted(path.parent.glob(PATTERN)):
            manifest = read_manifest(manifest_path)
            entry = manifest["outputs"].get(path.name)
            if entry is not None and entry["sha256"] != found[path].sha256:
                raise LbtError(
                    f"{path}: its content differs from the digest in {manifest_path}. Delete it and rerun stage "
                    f"{manifest['stage']}."
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
        except FileNotFoundError:
            same = False
        if not same:
            raise LbtError(
                f"{path}: was changed or removed while this stage read it. Let no other run use the folder, and rerun "
                "the stage."
            )


def write_manifest(
    path: Path | str,
    *,
    stage: str,
    settings: Mapping[str, Any],
    code: str,
    images: Any = None,
    inputs: Mapping[Path, InputFile],
    outputs: Sequence[Path],
) -> None:
    """Write the record of a stage's run: the settings, code, images and inputs that its outputs were made from.

    File names are relative to the manifest's folder, so a results folder can move. Folders among the outputs are not
    listed.

    Args:
        path: the manifest.
        stage: name of the stage.
        settings: all settings that it read.
        code: fingerprint of its code.
        images: digests of the user's images and masks by their role; None if it reads none or synthetic ones.
        inputs: see `verify_inputs`.
        outputs: the files that it wrote, in the manifest's folder or below.
    """
    folder = Path(path).parent
    content = {
        "schema_version": _VERSION,
        "stage": stage,
        "settings": dict(settings),
        "settings_digest": digest(settings),
        "code": code,
        "images": images,
        "versions": software_versions(),
        "inputs": {
            os.path.relpath(file, folder): {"sha256": read.sha256, "bytes": read.stat[2]}
            for file, read in sorted(inputs.items())
        },
        "outputs": {
            os.path.relpath(file, folder): {"sha256": sha256(file), "bytes": file.stat().st_size}
            for file in sorted(outputs)
            if file.is_file()
        },
    }
    write_json(path, content | {"digest": digest(content)})


def read_manifest(path: Path) -> dict[str, Any]:
    """The content of a manifest, which holds the digest of its other content.

    Raises:
        LbtError: it cannot be read, is damaged, has another schema version, or lists outputs outside of its folder.
    """
    content = read_json(path)
    found = content.get("schema_version") if isinstance(content, dict) else None
    if found != _VERSION:
        raise LbtError(f"{path}: schema version {found}, this program reads {_VERSION}. Rerun its stage.")
    if content.get("digest") != digest({key: value for key, value in content.items() if key != "digest"}):
        raise LbtError(f"{path}: is damaged, or was edited (its digest is not that of its content). Rerun its stage.")
    named = [content.get(kind) for kind in ("settings", "inputs", "outputs")]
    if not all(isinstance(value, dict) for value in named) or any(map(_leaves_folder, content["outputs"])):
        raise LbtError(f"{path}: lists outputs outside of its folder, or none. Delete it and rerun its stage.")
    return content


def read_manifests(folder: Path) -> dict[Path, dict[str, Any]]:
    """All manifests below a folder that can be read, in the order of their paths.

    Stages that verify their inputs report the others.
    """
    found = {}
    for path in sorted(folder.rglob(PATTERN)):
        try:
            found[path] = read_manifest(path)
        except LbtError:
            continue
    return found


def absolute(manifest: Path, name: str) -> Path:
    """The absolute path of a file, given its name in a manifest."""
    return Path(os.path.normpath(manifest.parent.absolute() / name))


def written_digests(records: Mapping[Path, Mapping[str, Any]]) -> dict[Path, str]:
    """The digest of each file that manifests (by their paths) list as an output, by absolute path."""
    return {
        absolute(path, name): entry["sha256"]
        for path, content in records.items()
        for name, entry in content["outputs"].items()
    }


def _leaves_folder(name: str) -> bool:
    return os.path.isabs(name) or ".." in name.split("/")


def _stat(path: Path) -> tuple[int, int, int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
