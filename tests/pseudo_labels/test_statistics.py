"""Pixel counts against plain NumPy on the pixels, and agreement with true labels against torchmetrics."""

from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

from lbt.pseudo_labels.read import ShardHead
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.statistics import count_image
from lbt.views.shard_tables import summarise_round

CLASSES = ("road", "sky", "car", "absent")
HEAD = ShardHead(ShardIdentity(2, "lbt", 0, "t", "c"), CLASSES, ((0, 0, 0),) * 4, ())


@pytest.fixture(scope="module")
def images():
    """(label, confidence, previous label, previous confidence, truth) of images of two sizes; `absent` never occurs."""
    random = np.random.default_rng(0)
    found = []
    for shape in ((9, 14), (20, 7)):
        arrays = [random.integers(0, top, shape, dtype=np.uint8) for top in (3, 256, 3, 256, 3)]
        arrays[4][0] = 255
        found.append(arrays)
    return found


@pytest.fixture(scope="module")
def table(images):
    counts = reduce(add, (count_image(l, c, 4, (pl, pc), t) for l, c, pl, pc, t in images))  # noqa: E741
    assert counts.images.tolist() == [2, 2, 2]
    return summarise_round(HEAD, counts).set_index("class")


def pixels(images, position):
    return np.concatenate([arrays[position].ravel() for arrays in images])


def test_shares_and_confidences(images, table):
    label, confidence = pixels(images, 0), pixels(images, 1) / 255
    for index, name in enumerate(CLASSES[:3]):
        own = confidence[label == index]
        assert table.loc[name, "share"] == pytest.approx(len(own) / len(label))
        assert table.loc[name, "confidence"] == pytest.approx(own.mean())
        for column, share in (("confidence_q05", 0.05), ("confidence_q50", 0.5), ("confidence_q95", 0.95)):
            assert table.loc[name, column] == pytest.approx(np.quantile(own, share, method="inverted_cdf"))
    assert table.loc["all", "confidence"] == pytest.approx(confidence.mean())
    assert table.loc["absent", "share"] == 0 and table.loc["absent", "confidence":].isna().all()


def test_change_against_the_previous_round(images, table):
    label, confidence, before, earlier = (pixels(images, i).astype(int) for i in range(4))
    for index, name in enumerate(CLASSES[:3]):
        own = label == index
        assert table.loc[name, "changed"] == pytest.approx((before[own] != index).mean())
        assert table.loc[name, "confidence_change"] == pytest.approx((confidence - earlier)[own].mean() / 255)
    assert table.loc["all", "changed"] == pytest.approx((label != before).mean())


def test_agreement_with_true_labels(images, table):
    label, truth = (torch.from_numpy(pixels(images, i).astype(int)) for i in (0, 4))
    label, truth = label[truth != 255], truth[truth != 255]
    iou = multiclass_jaccard_index(label, truth, 3, average="none")
    np.testing.assert_allclose(table["iou"].to_numpy()[1:4], iou, rtol=1e-6)
    assert table.loc["all", "iou"] == pytest.approx(float(iou.mean()))  # a class without a pixel does not count
    assert table.loc["all", "agreement"] == pytest.approx(float(multiclass_accuracy(label, truth, 3, average="micro")))
    for index, name in enumerate(CLASSES[:3]):
        assert table.loc[name, "agreement"] == pytest.approx(float((truth[label == index] == index).float().mean()))


def test_columns_without_truth_or_previous_round_are_empty(images):
    table = summarise_round(HEAD, count_image(images[0][0], images[0][1], 4))
    assert table[["agreement", "iou", "changed", "confidence_change"]].isna().all(axis=None)
