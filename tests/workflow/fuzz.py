"""Damages artefacts of a finished run, by one byte or at the end, and reads them as a stage does.

Runs in a separate process, because a reader may crash: `python -m fuzz RUN COUNT`. Prints JSON: the number of damages,
how many were refused, how many changed nothing, and a list of wrong reactions. Each file is restored.
"""

import json
import random
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from lbt.config.read import parse_settings
from lbt.data.classes import class_table
from lbt.data.splits import ROLES, read_split
from lbt.errors import LbtError
from lbt.files import read_json, sha256
from lbt.inference.network_file import load_network
from lbt.latency.table import read_table
from lbt.network.genotype import read_genotype
from lbt.provenance.manifest import verify_inputs
from lbt.pseudo_labels.shard_format import PseudoLabels, ShardIdentity
from lbt.runtime.checkpoint import load_checkpoint
from lbt.search.student_file import student_identity
from lbt.space.architecture import architecture_from_json

Reader = Callable[[Path], Any]


def verified(read: Reader) -> Reader:
    """Verify the file against its manifest first, as a stage does with its inputs."""

    def read_verified(path: Path) -> Any:
        verify_inputs([path])
        return read(path)

    return read_verified


def manifest_of(name: str) -> Reader:
    """Read a manifest and verify a file that it lists."""

    def read(path: Path) -> Any:
        verify_inputs([path.with_name(name)])
        return read_json(path)

    return read


def targets(run: Path) -> list[tuple[str, Path, Reader]]:
    """Artefacts of each kind and their readers: those of the stages, and those that check a file by itself."""
    settings = parse_settings(yaml.safe_load((run.parents[1] / "tiny.yaml").read_text()), "tiny.yaml")
    space, classes = settings.space, class_table(settings.data).names
    round_ = run / "search" / "lbt" / "seed-0" / "round-1"
    warm = run / "warmup" / "seed-0" / "checkpoint.pt"
    identity = ShardIdentity(round=1, method="lbt", seed=0, teacher=sha256(warm), code="")
    derived, scores = run / "derive" / "lbt" / "seed-0", run / "evaluate" / "lbt" / "seed-0"

    def split(path: Path) -> Any:
        return {role: read_split(path, role) for role in ROLES}

    def probabilities(path: Path) -> Any:
        labels = PseudoLabels([path], classes, identity)
        return {name: labels.probability(name) for name in labels._locations}

    def checkpoint(path: Path) -> Any:
        return load_checkpoint(path, kind="supernet", expect={"classes": list(classes)})

    def student(path: Path) -> Any:
        identity = student_identity(classes, settings.search.student.model, 0)
        return load_checkpoint(path, kind="student", expect=identity)

    def network(path: Path) -> Any:
        found = load_network(path)
        return {key: value for key, value in vars(found).items() if key[0] != "_"} | dict(found.state_dict())

    def architecture(path: Path) -> Any:
        return architecture_from_json(read_json(path), space, str(path))

    def genotype(path: Path) -> Any:
        return read_genotype(path, space)

    table = run / "latency" / "table.csv"
    alone = [
        ("checkpoint, alone", warm, checkpoint),
        ("network, alone", run / "networks" / "lbt-seed-0" / "network.pt", network),
        ("probabilities, alone", round_ / "pseudo_labels" / "probability-000.h5", probabilities),
    ]
    return alone + [
        ("checkpoint", warm, verified(checkpoint)),
        ("student", run / "student_warmup" / "seed-0" / "checkpoint.pt", verified(student)),
        ("network", run / "networks" / "lbt-seed-0" / "network.pt", verified(network)),
        ("probabilities", round_ / "pseudo_labels" / "probability-001.h5", verified(probabilities)),
        ("split", run / "data" / "split.csv", verified(split)),
        ("latency table", table, verified(lambda path: read_table(path).milliseconds)),
        ("architecture", round_ / "architecture.json", verified(architecture)),
        ("genotype", derived / "genotype.json", verified(genotype)),
        ("scores", scores / "network.json", verified(read_json)),
        ("profile", run / "profile" / "lbt" / "seed-0" / "profile.json", verified(read_json)),
        ("table of methods", run / "tables" / "miou.csv", verified(Path.read_text)),
        ("manifest of a round", round_ / ".manifest.json", manifest_of("checkpoint.pt")),
        ("manifest of a table", run / "latency" / ".manifest.json", manifest_of("table.csv")),
    ]


@contextmanager
def damaged(path: Path, whole: bytes, draw: random.Random) -> Iterator[str]:
    """Damage a file inside the block; yields a description.

    Headers and directories are damaged as often as the rest of the file, which holds nearly all bytes.
    """
    kind, size = draw.choice(("flip", "flip", "flip", "truncate")), len(whole)
    near_start, near_end = min(size - 1, draw.randrange(2048)), max(0, size - 1 - draw.randrange(4096))
    place = draw.choice((draw.randrange(size), near_start, near_end))
    try:
        if kind == "truncate":
            with open(path, "r+b") as file:
                file.truncate(place)
        else:
            with open(path, "r+b") as file:
                file.seek(place)
                file.write(bytes([whole[place] ^ draw.randrange(1, 256)]))
        yield f"{kind} at {place} of {size}"
    finally:
        path.write_bytes(whole)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, tensors and NaN bit by bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    return one == other


def main(run: Path, count: int) -> dict[str, Any]:
    """Damage each target `count` times."""
    report: dict[str, Any] = {"damages": 0, "refused": 0, "identical": 0, "wrong": []}
    for name, path, read in targets(run):
        draw, whole = random.Random(name), path.read_bytes()
        intact = read(path)
        for _ in range(count):
            with damaged(path, whole, draw) as damage:
                print(f"{name}: {damage}", file=sys.stderr)  # if a reader crashes, the last line names the damage
                report["damages"] += 1
                try:
                    found = read(path)
                except LbtError:
                    report["refused"] += 1
                    continue
                except Exception:  # anything but a message for the user: reported as wrong
                    report["wrong"].append(f"{name}: {damage}: {traceback.format_exc()[-800:]}")
                    continue
            if same(found, intact):
                report["identical"] += 1
            else:
                report["wrong"].append(f"{name}: {damage}: another value without a message")
    return report


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]))))
