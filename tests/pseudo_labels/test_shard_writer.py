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
from lbt.pseudo_labels.hdf5_file import DiskFile
from lbt.pseudo_labels.shard_format import ShardIdentity, encode_probability
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
        yield ImagePrediction(image_id, label, low.astype(np.float32))


def write(path: Path, found=None, sizes=SIZES) -> None:
    write_shard(path, path.with_suffix(".soft"), predictions() if found is None else found, sizes, CLASSES, IDENTITY)


def whole_arrays() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The content of a shard and of its file of probabilities, assembled in memory."""
    index = {"size": np.array(list(SIZES.values()), np.int32), "image_id": np.array([b"b", b"a/1", b"c", b"long name"])}
    content = {
        "label": np.full((4, 48, 64), IGNORE, np.uint8),
        "color": np.zeros((4, 48, 64, 3), np.uint8),
        "confidence": np.zeros((4, 6, 8), np.uint8),
    }
    soft = {"probability": np.full((4, 3, 6, 8), 255, np.uint8)}
    for i, prediction in enumerate(predictions()):
        (h, w), (low_h, low_w) = index["size"][i], [(5, 5), (5, 8), (6, 8), (4, 4)][i]
        content["label"][i, :h, :w] = prediction.label
        content["color"][i, :h, :w] = np.array(COLORS, np.uint8)[prediction.label]
        content["confidence"][i, :low_h, :low_w] = np.round(255 * prediction.probability.max(axis=0))
        soft["probability"][i, :, :low_h, :low_w] = encode_probability(prediction.probability)
    return content | index, soft | index


def layout(dataset: h5py.Dataset) -> list:
    """The properties of a dataset: shape, type, chunks, filters, filling, times."""
    how = dataset.id.get_create_plist()
    filters = [how.get_filter(i) for i in range(how.get_nfilters())]
    rest = (how.get_fill_time(), how.get_alloc_time(), how.get_obj_track_times(), how.fill_value_defined())
    return [dataset.shape, dataset.dtype, dataset.maxshape, dataset.chunks, filters, rest]


def test_the_content_equals_whole_arrays(tmp_path):
    write(tmp_path / "shard.h5")
    shown = {"palette", "entry"}, set()
    for ending, whole, more in zip((".h5", ".soft"), whole_arrays(), shown, strict=True):
        path = (tmp_path / "shard.h5").with_suffix(ending)
        with h5py.File(path) as file, h5py.File(tmp_path / "plain.h5", "w", libver=("v110", "v110")) as plain:
            assert set(file) == {*whole, *more}
            for name, values in whole.items():
                at_once = plain.create_dataset(
                    name, data=values, chunks=(1, *values.shape[1:]), compression="gzip", shuffle=True, fletcher32=True
                )
                assert layout(file[name]) == layout(at_once), name
                np.testing.assert_array_equal(file[name][:], values, err_msg=name)
    with h5py.File(tmp_path / "shard.h5") as file:
        assert file["entry/data/color"] == file["color"]
        np.testing.assert_array_equal(file["entry/data/y"][:], np.arange(48)[::-1])


def test_predictions_are_released_one_by_one(tmp_path, tiny, monkeypatch):
    """The stage keeps the one that is being written while it makes the next one."""
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
    assert len(made) == 5 and most <= 2


def test_memory_does_not_grow_with_the_number_of_images(tmp_path):
    size = (128, 256)
    bytes_of_one = 4 * size[0] * size[1]  # label and colour of each pixel
    peaks = {}
    for count in (1, 4, 16):  # the first count fills imports and caches
        sizes = {str(i): size for i in range(count)}
        tracemalloc.start()
        write(tmp_path / "shard.h5", predictions(sizes), sizes)
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
        write(tmp_path / "shard.h5", found, sizes)
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
                write(path, stopped())
            assert {file.name for file in tmp_path.iterdir()} == {"undisturbed.h5", "undisturbed.soft"}
        write(path)
    for ending in (".h5", ".soft"):
        first, again = ((tmp_path / name).with_suffix(ending) for name in ("undisturbed.h5", "again.h5"))
        assert first.read_bytes() == again.read_bytes()


def test_a_file_that_cannot_be_written_is_named_and_neither_is_left(tmp_path, monkeypatch):
    """An error of the shard passes through the `with` block of the other file, which must not be blamed."""
    check, checked = DiskFile.check, []

    def full(disk):
        checked.append(disk)
        if len(checked) == 3:  # the shard's, after its second image
            raise OSError(28, "No space left on device")
        check(disk)

    monkeypatch.setattr(DiskFile, "check", full)
    with pytest.raises(LbtError, match=r"shard\.h5: could not be written \(No space left on device\)"):
        write(tmp_path / "shard.h5")
    assert not list(tmp_path.iterdir())


def test_a_killed_stage_is_repeated_with_the_same_bytes_and_no_leftover(tmp_path, tiny):
    def run(folder: str, *kills: Kill) -> int:
        place = tmp_path / folder
        inputs = {"split": tiny.split, "teacher": tiny.warmup}
        outputs = {"labels": place / "shard.h5", "probabilities": place / "soft.h5"}
        outputs["manifest"] = place / ".manifest.json"
        return run_stage(stage_words("label", tiny.settings, place / "log.txt", inputs=inputs, outputs=outputs), kills)

    assert run("killed", Kill("step", 2)) == -signal.SIGKILL
    left = {path.name for path in (tmp_path / "killed").iterdir()} - {"log.txt", "log.error", ".manifest.json.lock"}
    assert len(left) == 2 and all(name.endswith(".partial") for name in left)
    assert run("killed") == run("whole") == 0
    assert {path.name for path in (tmp_path / "killed").iterdir()} == {
        *("log.txt", ".manifest.json", "shard.h5", "soft.h5")
    }
    for name in ("shard.h5", "soft.h5"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("killed", "whole"))
        assert first == second


def test_an_image_with_a_wrong_size_in_its_header_is_named(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(labelling, "read_facts", lambda *_: ImageFacts("RGB", (61, 96)))
    with pytest.raises(LbtError, match=r"\.png: is 97 x 61 pixels .*its header said 96 x 61"):
        label(tiny, tmp_path / "shard.h5")
    assert not list(tmp_path.iterdir())


def label(tiny, output: Path, workers: int = 0) -> None:
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
        compute=tiny.settings.compute.model_copy(update={"workers": workers}),
        split=tiny.split,
        teacher=tiny.warmup,
        labels=output,
        probabilities=output.with_suffix(".soft"),
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_threads_changes_no_byte(tmp_path, tiny, workers):
    label(tiny, tmp_path / "alone.h5")
    label(tiny, tmp_path / "threads.h5", workers)
    for ending in (".h5", ".soft"):
        alone, threads = ((tmp_path / f"{name}{ending}").read_bytes() for name in ("alone", "threads"))
        assert alone == threads
