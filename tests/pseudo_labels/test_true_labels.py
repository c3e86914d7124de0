"""True labels of unlabelled images: found in the folders of the layout or of the user, and nowhere else."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.config import ClassSettings, DataSettings, FolderSettings
from lbt.data.sample import Sample
from lbt.data.scenes.write_dataset import generate_scene, scene_number
from lbt.errors import LbtError
from lbt.pseudo_labels.true_labels import TrueLabels

SAMPLE = Sample("test/a", "test/a.png", None, "a")


@pytest.fixture
def data(tmp_path):
    classes = (ClassSettings(name="road", id=0, color=(1, 1, 1)), ClassSettings(name="car", id=5, color=(2, 2, 2)))
    folder = FolderSettings(classes=classes, mask_suffix="_mask")
    return DataSettings(layout="folder", root=str(tmp_path / "set"), folder=folder)


def save(path, values, image=None):
    """Write a mask, and beside it an image of its size."""
    values = np.array(values, np.uint8)
    for file, pixels in ((path, values), (image, np.dstack([values] * 3))):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)


def test_a_mask_of_the_unlabelled_part_is_found(data, tmp_path):
    assert TrueLabels(data).find(SAMPLE, (1, 2)) is None
    save(tmp_path / "set/testannot/a_mask.png", [[0, 5, 255]], tmp_path / "set/test/a.png")
    truth = TrueLabels(data)
    assert truth.find(SAMPLE, (1, 3)).tolist() == [[0, 1, 255]] and truth.source.endswith("set/testannot/*")


def test_masks_of_another_folder_are_found_below_it(data, tmp_path):
    save(tmp_path / "mine/deep/a_mask.png", [[5, 5]], tmp_path / "set/test/a.png")
    assert TrueLabels(data, tmp_path / "mine").find(SAMPLE, (1, 2)).tolist() == [[1, 1]]
    save(tmp_path / "mine/other/a_mask.png", [[0, 0]])
    with pytest.raises(LbtError, match="both fit image test/a"):
        TrueLabels(data, tmp_path / "mine").find(SAMPLE, (1, 2))


def test_a_mask_without_any_class_is_not_a_true_label(data, tmp_path):
    """Cityscapes publishes such masks instead of the labels of the test set."""
    save(tmp_path / "set/testannot/a_mask.png", [[255, 255]], tmp_path / "set/test/a.png")
    assert TrueLabels(data).find(SAMPLE, (1, 2)) is None


def test_a_mask_of_another_size_is_named(data, tmp_path):
    save(tmp_path / "set/testannot/a_mask.png", [[0, 5, 255]], tmp_path / "set/test/a.png")
    with pytest.raises(LbtError, match="true label of test/a is 3 x 1 pixels"):
        TrueLabels(data).find(SAMPLE, (2, 3))


@pytest.mark.parametrize(("part", "kind"), [("test", "gtFine"), ("train_extra", "gtCoarse")])
def test_cityscapes_masks(tmp_path, part, kind):
    data = DataSettings(root=str(tmp_path), unlabeled=part)
    sample = Sample("ulm_1_2", f"leftImg8bit/{part}/ulm/ulm_1_2_leftImg8bit.png", None, "ulm")
    save(tmp_path / f"{kind}/{part}/ulm/ulm_1_2_{kind}_labelIds.png", [[7, 23, 0]], tmp_path / sample.image)
    assert TrueLabels(data).find(sample, (1, 3)).tolist() == [[0, 10, 255]]


def test_scenes_are_generated_again(labelled):
    """For validation scenes the masks are on disk, so generating a scene again must give its mask."""
    scenes, data = labelled.settings.scenes, labelled.settings.data
    for path in sorted((Path(data.root) / "gtFine/val").rglob("*_labelIds.png")):
        image_id = path.name.removesuffix("_gtFine_labelIds.png")
        _, label = generate_scene(scenes, "val", scene_number("val", image_id))
        np.testing.assert_array_equal(np.array(label), np.array(Image.open(path)))
    found = TrueLabels(data).find(labelled.images[0], (61, 97))
    assert found.shape == (scenes.height, scenes.width) and set(np.unique(found)) <= {*range(6), 255}


def test_a_changed_scene_has_no_true_label(labelled, tmp_path):
    root = shutil.copytree(labelled.settings.data.root, tmp_path / "scenes")
    image = root / labelled.images[0].image
    Image.open(image).rotate(180).save(image)
    with pytest.raises(LbtError, match="is not the scene that its settings generate"):
        TrueLabels(labelled.settings.data.model_copy(update={"root": str(root)})).find(labelled.images[0], (61, 97))
