"""Reading shards for people: headers, and each image's labels without its padding."""

import fcntl

import numpy as np
import pytest
from labelled_run import confidence_of
from PIL import Image

from lbt.data.classes import ClassTable
from lbt.errors import LbtError
from lbt.pseudo_labels.read import LabelledImages, read_head, read_labelled_image
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard

IDENTITY = ShardIdentity(round=2, method="lbt", seed=7, teacher="ab", code="c0de")
COLORS = ((128, 64, 128), (70, 130, 180), (0, 0, 142))
CLASSES = ClassTable(("road", "sky", "car"), COLORS, np.arange(256, dtype=np.uint8), frozenset({0, 1, 2}))
SIZES = {"b": (40, 33), "a": (33, 64)}


def write(path):
    random = np.random.default_rng(0)
    predictions = {}
    for image_id, size in SIZES.items():
        low = tuple(-(-side // 8) for side in size)
        probability = random.dirichlet(np.ones(3), size=low).transpose(2, 0, 1).astype(np.float32)
        predictions[image_id] = ImagePrediction(image_id, random.integers(0, 3, size, dtype=np.uint8), probability)
    write_shard(path, path.with_name("soft.h5"), predictions.values(), SIZES, CLASSES, IDENTITY)
    return predictions


def test_the_header_is_read_back(tmp_path):
    write(tmp_path / "shard.h5")
    head = read_head(tmp_path / "shard.h5")
    assert (head.identity, head.classes, head.colors, head.image_ids) == (IDENTITY, CLASSES.names, COLORS, ("b", "a"))


def test_a_shard_is_read_where_files_cannot_be_locked(tmp_path):
    """As on a file system without locks; here somebody else holds the lock."""
    write(tmp_path / "shard.h5")
    with open(tmp_path / "shard.h5", "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert read_head(tmp_path / "shard.h5").identity == IDENTITY


def test_images_of_different_sizes_come_without_padding(tmp_path):
    predictions = write(tmp_path / "shard.h5")
    with LabelledImages({tmp_path / "shard.h5": read_head(tmp_path / "shard.h5")}) as images:
        assert list(images) == ["a", "b"] and len(images) == 2 and "c" not in images
        for image_id, prediction in predictions.items():
            label, confidence = images.read(image_id)
            assert np.array_equal(label, prediction.label) and np.array_equal(confidence, confidence_of(prediction))


def test_an_image_of_another_size_than_its_label_is_named(tmp_path):
    Image.new("RGB", (5, 4), (1, 2, 3)).save(tmp_path / "a.png")
    assert read_labelled_image(tmp_path / "a.png", np.zeros((4, 5)), 20).shape == (4, 5, 3)
    with pytest.raises(LbtError, match=r"a\.png: is 5 x 4 pixels \(width x height\), its label 4 x 5"):
        read_labelled_image(tmp_path / "a.png", np.zeros((5, 4)), 20)
