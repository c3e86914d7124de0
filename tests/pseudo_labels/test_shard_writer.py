"""Shards are written image by image: same content as from whole arrays, and no image stays in memory."""

import signal
import tracemalloc
import weakref
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from kills import Kill, run_stage
from stage_calls import call_stage, stage_words

from lbt.data.classes import IGNORE, ClassTable
from lbt.data.image_facts import ImageFacts
from lbt.errors import LbtError
from lbt.pseudo_labels import label as labelling
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard

IDENTITY = ShardIdentity(round=2, method="lbt", seed=0, teacher="ab" * 32, code="c0de")
COLORS = ((128, 64, 128), (70, 130, 180), (0, 0, 142))
CLASSES = ClassTable(("road", "sky", "car"), COLORS, np.arange(256, dtype=np.uint8), frozenset({0, 1, 2, 255}))
SIZES = {"b": (40, 33), "a/1": (33, 64), "c": (48, 57), "long name": (32, 32)}  # two images have the largest sides


def predictions(sizes=SIZES) -> Iterator[ImagePrediction]:
    random = np.random.default_rng(0)
    for image_id, (height, width) in sizes.items():
        low = random.dirichlet(np.ones(3), size=(-(-height // 8), -(-width // 8))).transpose(2, 0, 1)
        label = random.integers(0, 3, (height, width), dtype=np.uint8)
        confidence = random.integers(0, 256, (height, width), dtype=np.uint8)
        yield ImagePrediction(image_id, label, confidence, low.astype(np.float16))


def whole_arrays() -> dict[str, np.ndarray]:
    """The content of a shard, assembled in memory."""
    content = {
        "label": np.full((4, 48, 64), IGNORE, np.uint8),
        "color": np.zeros((4, 48, 64, 3), np.uint8),
        "confidence": np.zeros((4, 48, 64), np.uint8),
        "probability": np.zeros((4, 3, 6, 8), np.float16),
        "size": np.array(list(SIZES.values()), np.int32),
        "stride_size": np.array([(5, 5), (5, 8), (6, 8), (4, 4)], np.int32),
        "image_id": np.array([b"b", b"a/1", b"c", b"long name"]),
    }
    for i, prediction in enumerate(predictions()):
        (h, w), (low_h, low_w) = content["size"][i], content["stride_size"][i]
        content["label"][i, :h, :w] = prediction.label
        content["color"][i, :h, :w] = np.array(COLORS, np.uint8)[prediction.label]
        content["confidence"][i, :h, :w] = prediction.confidence
        content["probability"][i, :, :low_h, :low_w] = prediction.probability
    return content


def layout(dataset: h5py.Dataset) -> list:
    """The properties of a dataset: shape, type, chunks, filters, filling, times."""
    how = dataset.id.get_create_plist()
    filters = [how.get_filter(i) for i in range(how.get_nfilters())]
    rest = (how.get_fill_time(), how.get_alloc_time(), how.get_obj_track_times(), how.fill_value_defined())
    return [dataset.shape, dataset.dtype, dataset.maxshape, dataset.chunks, filters, rest]


def test_the_content_equals_whole_arrays(tmp_path):
    write_shard(tmp_path / "shard.h5", predictions(), SIZES, CLASSES, IDENTITY)
    with (
        h5py.File(tmp_path / "shard.h5") as file,
        h5py.File(tmp_path / "plain.h5", "w", libver=("v110", "v110")) as plain,
    ):
        assert set(file) == {*whole_arrays(), "palette", "entry"}
        for name, values in whole_arrays().items():
            at_once = plain.create_dataset(
                name, data=values, chunks=(1, *values.shape[1:]), compression="gzip", shuffle=True, fletcher32=True
            )
            assert layout(file[name]) == layout(at_once), name
            np.testing.assert_array_equal(file[name][:], values, err_msg=name)
        assert file["entry/data/color"] == file["color"]
        np.testing.assert_array_equal(file["entry/data/y"][:], np.arange(48)[::-1])


def test_predictions_are_released_one_by_one(tmp_path, tiny, monkeypatch):
    """The stage keeps no prediction while it makes the next one."""
    made: list[weakref.ref] = []
    most = 0

    def count(**fields):
        nonlocal most
        prediction = ImagePrediction(**fields)
        made.append(weakref.ref(prediction))
        most = max(most, sum(reference() is not None for reference in made))
        return prediction

    monkeypatch.setattr(labelling, "ImagePrediction", count)
    label(tiny, tmp_path / "shard.h5")
    assert (len(made), most) == (5, 1)


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    size = (128, 256)
    bytes_of_one = 5 * size[0] * size[1]  # label, colour and confidence of each pixel
    peaks = {}
    for count in (1, 4, 16):  # the first count fills imports and caches
        sizes = {str(i): size for i in range(count)}
        tracemalloc.start()
        write_shard(tmp_path / "shard.h5", predictions(sizes), sizes, CLASSES, IDENTITY)
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[4] > bytes_of_one  # arrays are counted
    assert abs(peaks[16] - peaks[4]) < bytes_of_one / 10


@pytest.mark.parametrize("wrong", ["order", "too few", "too many", "size", "no image"])
def test_predictions_of_other_images_are_refused_and_leave_no_file(tmp_path, wrong):
    found, sizes = list(predictions()), dict(SIZES)
    if wrong == "order":
        found.reverse()
    elif wrong == "too few":
        found.pop()
    elif wrong == "too many":
        sizes.popitem()
    elif wrong == "size":
        sizes["c"] = (48, 56)
    else:
        found, sizes = [], {}
    with pytest.raises(ValueError):
        write_shard(tmp_path / "shard.h5", found, sizes, CLASSES, IDENTITY)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("after", [0, 1, 3])
def test_an_interrupted_shard_leaves_no_file_and_is_the_same_next_time(tmp_path, after):
    def stopped() -> Iterator[ImagePrediction]:
        for index, prediction in enumerate(predictions()):
            if index == after:
                raise KeyboardInterrupt
            yield prediction

    for name in ("undisturbed.h5", "again.h5"):
        path = tmp_path / name
        if name == "again.h5":
            with pytest.raises(KeyboardInterrupt):
                write_shard(path, stopped(), SIZES, CLASSES, IDENTITY)
            assert [file.name for file in tmp_path.iterdir()] == ["undisturbed.h5"]
        write_shard(path, predictions(), SIZES, CLASSES, IDENTITY)
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "undisturbed.h5").read_bytes()


def test_a_killed_stage_is_repeated_with_the_same_bytes_and_no_leftover(tmp_path, tiny):
    def run(folder: str, *kills: Kill) -> int:
        place = tmp_path / folder
        inputs = {"split": tiny.split, "teacher": tiny.warmup}
        outputs = {"labels": place / "shard.h5", "manifest": place / "manifest.json"}
        return run_stage(stage_words("label", tiny.settings, place / "log.txt", inputs=inputs, outputs=outputs), kills)

    assert run("killed", Kill("step", 2)) == -signal.SIGKILL
    left = {path.name for path in (tmp_path / "killed").iterdir()} - {"log.txt", "log.error", ".manifest.json.lock"}
    assert len(left) == 1 and left.pop().endswith(".partial")
    assert run("killed") == run("whole") == 0
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {"log.txt", "manifest.json", "shard.h5"}
    first, second = ((tmp_path / folder / "shard.h5").read_bytes() for folder in ("killed", "whole"))
    assert first == second


def test_an_image_with_a_wrong_size_in_its_header_is_named(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(labelling, "read_facts", lambda *_: ImageFacts("RGB", (61, 96)))
    with pytest.raises(LbtError, match=r"\.png: is 97 x 61 pixels .*its header said 96 x 61"):
        label(tiny, tmp_path / "shard.h5")
    assert not list(tmp_path.iterdir())


def label(tiny, output: Path) -> None:
    call_stage(
        "label",
        seed=0,
        method="lbt",
        round=1,
        shard=0,
        code="code",
        data=tiny.settings.data,
        space=tiny.settings.space,
        search=tiny.settings.search.model_copy(update={"shards": 1}),
        compute=tiny.settings.compute,
        split=tiny.split,
        teacher=tiny.warmup,
        labels=output,
    )
