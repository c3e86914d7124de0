"""Class tables: names, colours and the class of each mask value."""

import numpy as np
import pytest

from lbt.config import ClassSettings, DataSettings, FolderSettings
from lbt.data.classes import CITYSCAPES_LABELS, IGNORE, class_table
from lbt.errors import LbtError

# The 19 evaluated ids in the order of their train ids, as the benchmark's documentation lists them.
EVALUATED_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]


def test_evaluated_classes_have_their_train_ids():
    table = class_table(DataSettings())
    assert table.num_classes == 19
    assert table.lut[EVALUATED_IDS].tolist() == list(range(19))
    assert (np.delete(table.lut, EVALUATED_IDS) == IGNORE).all()
    assert (table.names[0], table.names[11], table.names[18]) == ("road", "person", "bicycle")
    assert table.colors[13] == (0, 0, 142)


def test_there_are_35_labels_with_distinct_ids():
    assert [label.id for label in CITYSCAPES_LABELS] == [*range(34), -1]
    assert len({label.name for label in CITYSCAPES_LABELS}) == 35


def test_all_34_classes_keep_their_ids():
    table = class_table(DataSettings(classes=34))
    assert table.lut[:34].tolist() == list(range(34))
    assert table.known == {*range(34), 255}


def test_named_classes_keep_the_order_of_the_settings():
    table = class_table(DataSettings(classes=("sky", "road")))
    assert table.names == ("sky", "road")
    assert (table.lut[23], table.lut[7], table.lut[26]) == (0, 1, IGNORE)
    assert 26 in table.known


def test_folder_classes_and_ignored_ids():
    classes = (ClassSettings(name="a", id=4, color=(1, 2, 3)), ClassSettings(name="b", id=0, color=(4, 5, 6)))
    table = class_table(DataSettings(layout="folder", folder=FolderSettings(classes=classes, ignore=(9,))))
    assert table.known == {0, 4, 9}
    assert (table.lut[4], table.lut[0], table.lut[9]) == (0, 1, IGNORE)
    assert table.colors == ((1, 2, 3), (4, 5, 6))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("road", "side walk"), "did you mean 'sidewalk'"),
        (("road", "qqqq"), "choose from: unlabeled"),
        (("road", "license plate"), "no class 'license plate'"),
        (("road", "road"), "'road' is listed twice"),
    ],
)
def test_bad_class_names_are_refused(names, message):
    with pytest.raises(LbtError, match=message):
        class_table(DataSettings(classes=names))
