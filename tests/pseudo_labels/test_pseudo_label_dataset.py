"""The images that the teacher labels, and their soft labels as a data set."""

import numpy as np
import pytest
import torch
from PIL import Image

from lbt.config import DataSettings
from lbt.data.classes import ClassTable
from lbt.data.sample import Sample
from lbt.data.splits import COLUMNS
from lbt.errors import LbtError
from lbt.pseudo_labels.dataset import PseudoLabeledDataset, count_to_label, images_to_label
from lbt.pseudo_labels.shard_format import PseudoLabels, ShardIdentity, decode_probability, encode_probability
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard

IDENTITY = ShardIdentity(round=1, method="lbt", seed=0, teacher="ab", code="c0de")
CLASSES = ClassTable(("road", "car"), ((1, 1, 1), (2, 2, 2)), np.arange(256, dtype=np.uint8), frozenset({0, 1}))


@pytest.fixture
def split(tmp_path):
    """Four images of student_train and 20 unlabelled ones."""
    rows = [f"t{i},t{i}.png,t{i}-mask.png,g,student_train" for i in range(4)]
    rows += [f"u{i:02d},u{i:02d}.png,,g,unlabeled" for i in range(20)]
    path = tmp_path / "split.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return path


def test_the_ratio_counts_images_of_student_train():
    assert [count_to_label(ratio, 4, 20) for ratio in (None, 0.01, 0.4, 1.0, 2.9, 5.0)] == [20, 1, 2, 4, 12, 20]
    with pytest.raises(LbtError, match=r"5\.2 times the 4 images .* are 21, .* 20 unlabelled .* at most 5"):
        count_to_label(5.2, 4, 20)


def test_a_larger_ratio_adds_images_to_those_of_a_smaller_one(split):
    chosen = {ratio: [sample.id for sample in images_to_label(split, ratio)] for ratio in (0.5, 1.5, 3.0, 5.0)}
    assert [len(ids) for ids in chosen.values()] == [2, 6, 12, 20]
    assert set(chosen[0.5]) < set(chosen[1.5]) < set(chosen[3.0]) < set(chosen[5.0])
    assert all(ids == sorted(ids) for ids in chosen.values())
    assert chosen[1.5] != chosen[5.0][:6] and chosen[1.5] != chosen[5.0][-6:]  # not the first or last by name
    assert images_to_label(split, None) == images_to_label(split, 5.0)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_items_are_the_image_and_its_soft_labels(tmp_path, temperature):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    probability = np.random.default_rng(1).dirichlet(np.ones(2), size=(2, 3)).transpose(2, 0, 1)
    prediction = ImagePrediction("a", np.zeros((16, 24), np.uint8), probability.astype(np.float32))
    write_shard(tmp_path / "shard.h5", tmp_path / "soft.h5", [prediction], {"a": (16, 24)}, CLASSES, IDENTITY)
    labels = PseudoLabels([tmp_path / "soft.h5"], CLASSES.names, IDENTITY)

    sample, data = Sample("a", "a.png", None, "g"), DataSettings(root=str(tmp_path))
    image, soft = PseudoLabeledDataset([sample], data, labels, temperature)[0]
    assert np.array_equal(image.permute(1, 2, 0).numpy(), pixels)
    raised = torch.from_numpy(decode_probability(encode_probability(probability))) ** (1 / temperature)
    torch.testing.assert_close(soft, raised / raised.sum(dim=0) if temperature != 1 else raised)
    with pytest.raises(LbtError, match="1 of 2 unlabelled images are in no shard, such as b"):
        PseudoLabeledDataset([sample, Sample("b", "b.png", None, "g")], data, labels)
