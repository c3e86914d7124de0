"""Two rounds of shards in the folders of a run, with images, split and manifests, made without a network."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from stage_calls import call_stage

from lbt.config.read import parse_settings
from lbt.data.classes import class_table
from lbt.data.splits import read_split
from lbt.files import digest, sha256, write_json
from lbt.provenance.manifest import verify_inputs, write_manifest
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard

ROOT = Path(__file__).resolve().parents[1]
ROUNDS, SHARDS = 2, 2


def predict(image_id: str, number: int, classes: int, shape: tuple[int, int]) -> ImagePrediction:
    """A random prediction in blocks; round 2 keeps most of round 1."""
    first, second = (np.random.default_rng([turn, len(image_id), *image_id.encode()]) for turn in (1, number))
    low = first.dirichlet(np.full(classes, 0.3), size=(8, 13)).transpose(2, 0, 1)
    moved = second.random((8, 13)) < 0.3
    if number > 1:
        low = np.where(moved, np.roll(low, 1, axis=0), low)
    whole = low.repeat(8, axis=1).repeat(8, axis=2)[:, : shape[0], : shape[1]]
    return ImagePrediction(image_id, whole.argmax(axis=0).astype(np.uint8), low.astype(np.float32))


def confidence_of(prediction: ImagePrediction) -> np.ndarray:
    """The stored confidence (H, W) of each pixel."""
    low = np.round(255 * prediction.probability.max(axis=0)).astype(np.uint8)
    height, width = prediction.label.shape
    return low.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]


def update_digest(path: Path) -> None:
    """Write the present digest of a file into its manifest, as if the file had been written like this."""
    manifest = path.with_name(re.sub("shard|probability", ".manifest", path.name)).with_suffix(".json")
    content = json.loads(manifest.read_text())
    content["outputs"][path.name]["sha256"] = sha256(path)
    del content["digest"]
    write_json(manifest, content | {"digest": digest(content)})


@pytest.fixture(scope="session")
def labelled(tmp_path_factory) -> SimpleNamespace:
    """`run` (results/tiny), `settings`, `classes`, `predictions[round][image_id]`."""
    folder = tmp_path_factory.mktemp("labelled")
    content = yaml.safe_load((ROOT / "tests" / "workflow" / "tiny.yaml").read_text())
    content["data"]["root"] = str(folder / "results" / "data" / "tiny")
    settings = parse_settings(content, "tiny.yaml")
    root, run = Path(settings.data.root), folder / "results" / "tiny"
    call_stage("scenes", scenes=settings.scenes, data=settings.data, listing=root / "scenes.json")
    call_stage("split", data=settings.data, splits=settings.splits, split=run / "data" / "split.csv")
    teacher = run / "warmup" / "seed-0" / "checkpoint.pt"
    teacher.parent.mkdir(parents=True)
    teacher.write_bytes(b"a teacher")
    classes, images = class_table(settings.data), read_split(run / "data" / "split.csv", "unlabeled")
    predictions = {}
    for number in range(1, ROUNDS + 1):
        shape = (settings.scenes.height, settings.scenes.width)
        found = {i.id: predict(i.id, number, classes.num_classes, shape) for i in images}
        predictions[number] = found
        place = run / "search" / "lbt" / "seed-0" / f"round-{number}" / "pseudo_labels"
        for shard in range(SHARDS):
            path = place / f"shard-{shard:03d}.h5"
            identity = ShardIdentity(number, "lbt", 0, sha256(teacher), "c0de")
            chosen = {i.id: found[i.id] for i in images[shard::SHARDS]}
            soft = place / f"probability-{shard:03d}.h5"
            write_shard(path, soft, chosen.values(), dict.fromkeys(chosen, shape), classes, identity)
            write_manifest(
                place / f".manifest-{shard:03d}.json",
                stage="label",
                settings={
                    "data": settings.data.model_dump(mode="json"),
                    "search": {"shards": SHARDS, "pseudo_labels": {"ratio": None}},
                },
                code="c0de",
                inputs=verify_inputs([run / "data" / "split.csv", teacher]),
                outputs=[path, soft],
            )
    return SimpleNamespace(run=run, settings=settings, classes=classes, predictions=predictions, images=images)
