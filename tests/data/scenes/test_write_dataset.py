import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from stage_calls import call_stage

from lbt.config import DataSettings, SceneSettings, SplitSettings
from lbt.data.checking.check import find_problems
from lbt.data.classes import class_table
from lbt.data.layouts import list_samples
from lbt.data.scenes.verify import require_as_drawn
from lbt.data.scenes.write_dataset import CITIES, DRAWN_CLASSES, SCENES_FILE
from lbt.data.write_split import split_dataset
from lbt.errors import LbtError

SMALL = SceneSettings(train=16, val=4, test=3, height=65, width=131)


def draw(root: Path, scenes: SceneSettings = SMALL) -> DataSettings:
    data = DataSettings(root=str(root), classes=DRAWN_CLASSES)
    call_stage("scenes", scenes=scenes, data=data, listing=root / SCENES_FILE)
    return data


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.png"))}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> DataSettings:
    return draw(tmp_path_factory.mktemp("scenes"))


def test_the_scenes_are_a_good_cityscapes_set(drawn):
    assert find_problems(drawn, SplitSettings(), []) == []
    assert [len(list_samples(drawn, split)) for split in ("train", "val", "unlabeled")] == [16, 4, 3]
    assert {sample.group for sample in list_samples(drawn, "train")} == set(CITIES["train"])
    assert Image.open(Path(drawn.root) / list_samples(drawn, "val")[0].image).size == (131, 65)


def test_test_scenes_have_no_label(drawn):
    assert not (Path(drawn.root) / "gtFine/test").exists()


def test_cities_are_enough_for_a_disjoint_split(drawn):
    parts = split_dataset(drawn, SplitSettings(scheme="disjoint"))
    assert [len(parts[role]) for role in ("teacher_train", "teacher_val", "student_train", "student_val")] == [
        6,
        4,
        4,
        2,
    ]


def test_no_city_stands_in_two_parts():
    names = [city for cities in CITIES.values() for city in cities]
    assert len(set(names)) == len(names)


def test_labels_and_picture_agree_along_the_edges(drawn):
    """The colour changes more across a label's border than inside a label."""
    table, ratios = class_table(drawn), []
    for sample in list_samples(drawn, "train"):
        image = np.asarray(Image.open(Path(drawn.root) / sample.image), float)
        label = table.lut[np.asarray(Image.open(Path(drawn.root) / sample.label))]
        step = np.abs(np.diff(image, axis=1)).mean(axis=2)
        border = label[:, 1:] != label[:, :-1]
        ratios.append(step[border].mean() / step[~border].mean())
    assert min(ratios) > 1.3 and np.mean(ratios) > 2


def test_the_sky_is_above_the_road(drawn):
    for sample in list_samples(drawn, "val"):
        label = np.asarray(Image.open(Path(drawn.root) / sample.label))
        rows = {name: np.argwhere(label == value)[:, 0].mean() for name, value in (("sky", 23), ("road", 7))}
        assert rows["sky"] < 0.45 * label.shape[0] < rows["road"]


def test_a_scene_depends_on_seed_part_and_number_only(drawn, tmp_path):
    more = draw(tmp_path / "more", SMALL.model_copy(update={"train": 20, "val": 2, "test": 4}))
    first, second = contents(Path(drawn.root)), contents(Path(more.root))
    common = set(first) & set(second)
    assert len(common) == 2 * 16 + 2 * 2 + 3
    assert all(first[name] == second[name] for name in common)
    other = draw(tmp_path / "other", SMALL.model_copy(update={"seed": 1}))
    assert all(first[name] != content for name, content in contents(Path(other.root)).items())


def test_the_listing_says_what_was_drawn(drawn):
    listing = json.loads((Path(drawn.root) / SCENES_FILE).read_text())
    assert listing["scenes"] == {"train": 16, "val": 4, "test": 3}
    assert (listing["height"], listing["width"], listing["classes"]) == (65, 131, list(DRAWN_CLASSES))


def test_an_older_drawing_is_replaced(tmp_path):
    tiny = SceneSettings(train=8, val=2, test=1, height=32, width=64)
    draw(tmp_path / "a", tiny)
    (tmp_path / "a" / SCENES_FILE).unlink()
    stray = tmp_path / "a/leftImg8bit/train/zzz/zzz_000000_000019_leftImg8bit.png"
    stray.parent.mkdir()
    stray.write_bytes(b"half")
    draw(tmp_path / "a", tiny)
    draw(tmp_path / "b", tiny)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert (tmp_path / "a" / SCENES_FILE).read_bytes() == (tmp_path / "b" / SCENES_FILE).read_bytes()


def test_a_foreign_data_set_is_never_deleted(tmp_path):
    precious = tmp_path / "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"precious")
    with pytest.raises(LbtError, match="was not drawn by this program"):
        draw(tmp_path)
    assert precious.read_bytes() == b"precious"
    assert list(tmp_path.rglob("*.png")) == [precious]


def test_a_root_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LbtError, match="could not be written"):
        call_stage(
            "scenes", scenes=SMALL, data=DataSettings(root=str(tmp_path / "file")), listing=tmp_path / "out.json"
        )
    assert not (tmp_path / "out.json").exists()


def test_a_scene_that_was_changed_or_removed_is_named(tmp_path):
    root = tmp_path / "scenes"
    draw(root)
    require_as_drawn(SMALL, root)
    image = next((root / "leftImg8bit" / "val").rglob("*.png"))
    content = image.read_bytes()
    image.write_bytes(content)  # a new time alone
    require_as_drawn(SMALL, root)
    Image.new("RGB", (131, 65)).save(image)
    with pytest.raises(LbtError, match=rf"{image.name}: was changed after it was drawn\. Remove .*scenes"):
        require_as_drawn(SMALL, root)
    require_as_drawn(SMALL.model_copy(update={"seed": 5}), root)  # drawn anew in any case
    image.unlink()
    with pytest.raises(LbtError, match=rf"{image.name}: a drawn scene is missing"):
        require_as_drawn(SMALL, root)
    (root / SCENES_FILE).unlink()
    require_as_drawn(SMALL, root)
