"""Data sets and batches: items, their order, and damaged files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lbt.config import AugmentationSettings, DataSettings
from lbt.data.classes import IGNORE, class_table
from lbt.data.dataset import ImageDataset, SegmentationDataset
from lbt.data.layouts import list_samples
from lbt.data.loader import Stream, evaluation_batches, training_loader
from lbt.errors import LbtError


def dataset_of(data: DataSettings) -> SegmentationDataset:
    return SegmentationDataset(list_samples(data, "train"), data, class_table(data))


def batches(data: DataSettings, dataset=None, **changes) -> list[tuple[torch.Tensor, ...]]:
    dataset = dataset_of(data) if dataset is None else dataset
    options = {"crop": (32, 48), "batch_size": 3, "seed": 7, "steps": 6} | changes
    return list(training_loader(dataset, data=data, augmentation=AugmentationSettings(), **options))


def same(one, other) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_items_are_the_decoded_files(cityscapes):
    dataset = dataset_of(cityscapes)
    image, label = dataset[0]
    stored = np.array(Image.open(Path(cityscapes.root) / dataset.samples[0].image))
    assert np.array_equal(image.permute(1, 2, 0).numpy(), stored)
    # Rows of sky, car, road; the settings order the classes road, sky, car.
    assert label[:, 0].tolist() == [1] * 10 + [2] * 10 + [0] * 20
    assert label.shape == image.shape[1:]


def test_ignored_ids_become_ignore(folder):
    _, label = dataset_of(folder)[0]
    assert label[0, 0] == IGNORE and set(label.unique().tolist()) == {0, 1, IGNORE}


@pytest.mark.parametrize(("count", "size"), [(8, 3), (5, 5), (2, 5), (1, 4)])
def test_every_epoch_holds_each_index_once(count, size):
    stream = Stream(count, size, seed=1)
    pairs = [pair for step in range(4 * count) for pair in stream.indices(step)]
    assert all(len(stream.indices(step)) == size for step in range(4 * count))
    orders = [[index for epoch, index in pairs if epoch == e] for e in range(4)]
    assert all(sorted(order) == list(range(count)) for order in orders)
    assert [epoch for epoch, _ in pairs] == sorted(epoch for epoch, _ in pairs)
    if count > 4:
        assert len({tuple(order) for order in orders}) > 1
        assert Stream(count, size, seed=2).indices(0) != Stream(count, size, seed=3).indices(0)


def test_shapes_and_types(cityscapes):
    for images, labels in batches(cityscapes):
        assert images.shape == (3, 3, 32, 48) and images.dtype == torch.float32 and type(images) is torch.Tensor
        assert labels.shape == (3, 32, 48) and labels.dtype == torch.int64 and type(labels) is torch.Tensor


def test_a_later_start_equals_skipping(cityscapes):
    everything = batches(cityscapes)
    assert same(batches(cityscapes, start=4, steps=2), everything[4:])
    assert not same(everything[:1], everything[1:2])


def test_workers_do_not_matter(cityscapes):
    assert same(batches(cityscapes), batches(cityscapes, workers=2))


def test_the_seed_matters_and_the_global_generator_does_not(cityscapes):
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = batches(cityscapes)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    assert same(first, batches(cityscapes))
    assert not same(first, batches(cityscapes, seed=8))


def test_an_image_is_augmented_differently_in_each_epoch(cityscapes):
    dataset = SegmentationDataset(list_samples(cityscapes, "train")[:1], cityscapes, class_table(cityscapes))
    images = [image for image, _ in batches(cityscapes, dataset, batch_size=1, steps=4)]
    assert all(not torch.equal(images[0], other) for other in images[1:])


def test_a_batch_above_the_data_set_is_refused(cityscapes):
    dataset = SegmentationDataset(list_samples(cityscapes, "train")[:3], cityscapes, class_table(cityscapes))
    with pytest.raises(LbtError, match="batch of 4 images is larger than its part, which has 3"):
        list(batches(cityscapes, dataset, batch_size=4, steps=1))


class SoftTargets:
    """Images with a hard and a soft target."""

    def __init__(self, images: ImageDataset) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index):
        (image,) = self.images[index]
        soft = torch.full((4, 10, 15), 0.25, dtype=torch.float16)
        return image, torch.full(image.shape[1:], index, dtype=torch.uint8), soft


def test_any_number_of_targets(cityscapes):
    images = ImageDataset(list_samples(cityscapes, "unlabeled"), cityscapes)
    for batch in batches(cityscapes, images, steps=2):
        assert [part.shape for part in batch] == [(3, 3, 32, 48)]
    for image, label, soft in batches(cityscapes, SoftTargets(images), steps=2, workers=1):
        assert image.shape == (3, 3, 32, 48) and label.dtype == torch.int64
        assert soft.shape == (3, 4, 32, 48) and soft.dtype == torch.float32
        assert torch.equal(soft.sum(dim=1) > 0.99, label != IGNORE)


def test_unlabelled_samples_are_refused_in_a_labelled_data_set(cityscapes):
    with pytest.raises(LbtError, match="is an unlabelled image"):
        SegmentationDataset(list_samples(cityscapes, "unlabeled"), cityscapes, class_table(cityscapes))


def test_an_empty_data_set_is_refused(cityscapes):
    with pytest.raises(LbtError, match="zero images"):
        batches(cityscapes, ImageDataset([], cityscapes))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_file_is_named_without_a_traceback(cityscapes, workers):
    dataset = dataset_of(cityscapes)
    path = Path(cityscapes.root) / dataset.samples[2].image
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LbtError) as caught:
        batches(cityscapes, dataset, workers=workers)
    assert str(path) in str(caught.value) and "Traceback" not in str(caught.value)


def test_an_unknown_id_is_named(cityscapes):
    path = Path(cityscapes.root) / list_samples(cityscapes, "train")[0].label
    Image.fromarray(np.full((40, 60), 77, np.uint8)).save(path)
    with pytest.raises(LbtError, match=r"labelIds\.png: holds the mask values \[77\]"):
        dataset_of(cityscapes)[0]


def test_a_mask_of_another_size_is_named(cityscapes):
    path = Path(cityscapes.root) / list_samples(cityscapes, "train")[0].label
    Image.fromarray(np.full((40, 50), 7, np.uint8)).save(path)
    with pytest.raises(LbtError, match=r"labelIds\.png: is 50 x 40 pixels .* its image 60 x 40"):
        dataset_of(cityscapes)[0]


def test_evaluation_batches_keep_order_and_size(cityscapes):
    dataset = dataset_of(cityscapes)
    for place in (3, 4):
        for name in (dataset.samples[place].image, dataset.samples[place].label):
            path = Path(cityscapes.root) / name
            Image.open(path).crop((0, 0, 33, 37)).save(path)
    found = list(evaluation_batches(dataset, 2, cityscapes))
    assert [tuple(labels.shape) for _, labels in found] == [
        (2, 40, 60),
        (1, 40, 60),
        (2, 37, 33),
        (2, 40, 60),
        (1, 40, 60),
    ]
    labels = [label for _, batch in found for label in batch]
    assert all(torch.equal(label, dataset[i][1].long()) for i, label in enumerate(labels))
    mean, std = torch.tensor(cityscapes.mean), torch.tensor(cityscapes.std)
    pixel = (dataset[0][0][:, 5, 6] / 255 - mean) / std
    torch.testing.assert_close(found[0][0][0, :, 5, 6], pixel)
