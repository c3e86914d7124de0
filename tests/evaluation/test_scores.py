"""Intersection over union against a brute-force count, and classes that do not occur."""

import numpy as np
import pytest
import torch
from torchmetrics.classification import MulticlassConfusionMatrix

from lbt.data.classes import IGNORE, ClassTable
from lbt.evaluation.scores import count_confusion, intersection_over_union, scores

NAMES = ("road", "sky", "car", "train")
TABLE = ClassTable(
    names=NAMES,
    colors=((0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 3)),
    lut=np.arange(256, dtype=np.uint8),
    known=frozenset(range(4)),
)


def brute_force(truth, prediction, num_classes):
    found = []
    for c in range(num_classes):
        valid = truth != IGNORE
        true, predicted = (truth == c) & valid, (prediction == c) & valid
        union = int((true | predicted).sum())
        found.append(int((true & predicted).sum()) / union if true.any() else float("nan"))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_iou_equals_a_brute_force_count(seed):
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(0, 3, (5, 9, 11), generator=generator)  # class 3 never occurs, but is predicted
    truth[torch.rand(truth.shape, generator=generator) < 0.2] = IGNORE
    logits = torch.randn(5, 4, 9, 11, generator=generator)
    batches = [(logits[:2], truth[:2]), (logits[2:], truth[2:])]
    confusion = count_confusion(lambda x: x, batches, 4, torch.device("cpu"))
    expected = brute_force(truth, logits.argmax(1), 4)
    np.testing.assert_allclose(intersection_over_union(confusion).numpy(), expected, equal_nan=True)
    result = scores(confusion, TABLE)
    assert result["miou"] == pytest.approx(np.nanmean(expected))
    assert result["iou"]["train"] is None  # absent, not 0
    assert int(confusion.sum()) == int((truth != IGNORE).sum())


def test_a_perfect_prediction_scores_one_and_a_constant_prediction_its_share():
    perfect = torch.diag(torch.tensor([4, 3, 2, 1]))
    assert scores(perfect, TABLE)["miou"] == 1.0
    constant = torch.zeros(4, 4, dtype=torch.int64)
    constant[:, 0] = torch.tensor([4, 3, 2, 1])
    assert scores(constant, TABLE)["miou"] == pytest.approx(0.4 / 4)


def test_counts_are_those_of_torchmetrics():
    """Beside all classes and ignored pixels there is a batch that is ignored altogether."""
    source = torch.Generator().manual_seed(0)
    batches = []
    for count in (2, 1, 3):
        labels = torch.randint(0, 19, (count, 33, 47), generator=source)
        labels[torch.rand(labels.shape, generator=source) < 0.3] = IGNORE
        batches.append((torch.randn(count, 19, 33, 47, generator=source), labels))
    batches[1][1].fill_(IGNORE)
    matrix = MulticlassConfusionMatrix(19, ignore_index=IGNORE)
    for logits, labels in batches:
        matrix.update(logits, labels)
    assert torch.equal(count_confusion(lambda x: x, batches, 19, torch.device("cpu")), matrix.compute())


def test_a_label_above_the_classes_is_refused():
    labels = torch.tensor([[[0, 4, IGNORE]]])
    with pytest.raises(ValueError, match="a label is above 3"):
        count_confusion(lambda x: x, [(torch.zeros(1, 4, 1, 3), labels)], 4, torch.device("cpu"))
