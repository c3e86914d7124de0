"""Shards: content is read back as written, viewers find their attributes, and damage is always noticed."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from lbt.data.classes import IGNORE, ClassTable
from lbt.errors import LbtError
from lbt.pseudo_labels.shard_format import PseudoLabels, ShardIdentity, decode_probability, encode_probability
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard

IDENTITY = ShardIdentity(round=2, method="lbt", seed=0, teacher="ab" * 32, code="c0de")
CLASSES = ClassTable(
    names=("road", "sky", "car"),
    colors=((128, 64, 128), (70, 130, 180), (0, 0, 142)),
    lut=np.arange(256, dtype=np.uint8),
    known=frozenset({0, 1, 2, 255}),
)


def predictions(count: int = 3) -> list[ImagePrediction]:
    random = np.random.default_rng(0)
    found = []
    for i in range(count):
        height, width = 16 + 8 * (i % 2), 24
        probability = random.dirichlet(np.ones(3), size=(height // 8, width // 8)).transpose(2, 0, 1)
        label = random.integers(0, 3, (height, width), dtype=np.uint8)
        found.append(ImagePrediction(f"city/image_{i}", label, probability.astype(np.float32)))
    return found


def soft_of(path):
    return path.with_name(path.name.replace("shard", "probability"))


def write(path, count: int = 3):
    found = predictions(count)
    write_shard(path, soft_of(path), found, {p.image_id: p.label.shape for p in found}, CLASSES, IDENTITY)


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "shard-000.h5"
    write(path)
    return path


@pytest.fixture
def soft(shard):
    return soft_of(shard)


def test_predictions_are_read_back_as_written(shard, soft):
    labels = PseudoLabels([soft], CLASSES.names, IDENTITY)
    assert len(labels) == 3
    for prediction in predictions():
        stored = decode_probability(encode_probability(prediction.probability))
        np.testing.assert_array_equal(labels.probability(prediction.image_id), stored)
    with h5py.File(shard) as file:
        np.testing.assert_array_equal(file["label"][0, :16], predictions()[0].label)
        assert (file["label"][0, 16:] == IGNORE).all()  # padding of the smaller image
        np.testing.assert_array_equal(file["confidence"][1], np.round(255 * predictions()[1].probability.max(axis=0)))


def exact_probability(code: int) -> float:
    return 0.0 if code == 255 else 2.0 ** -((code / 51) ** 2)


def test_a_code_is_the_nearest_one():
    """Against a search through all codes, also at the ends of the range and a little above 1."""
    values = np.concatenate([np.logspace(-9, 0, 2000), [0, 1, 1 + 1e-7, 1e-30]])
    roots = [(-np.log2(exact_probability(code))) ** 0.5 for code in range(255)]
    for value, code in zip(values, encode_probability(values), strict=True):
        root = np.sqrt(-np.log2(min(value, 1))) if value else np.inf
        if root > 254.5 / 51:
            assert code == 255
        else:
            assert abs(roots[code] - root) == pytest.approx(min(abs(other - root) for other in roots), abs=1e-9)
    every = np.stack([np.arange(256, dtype=np.uint8), np.zeros(256, np.uint8)])  # beside a class of relative value 1
    expected = [exact_probability(code) / (1 + exact_probability(code)) for code in range(256)]
    np.testing.assert_allclose(decode_probability(every)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 11, 19, 34])
@pytest.mark.parametrize("sharpness", [0.5, 2.0, 8.0])
def test_stored_probabilities_sum_to_one_and_are_near(classes, sharpness):
    logits = sharpness * np.random.default_rng(classes).standard_normal((classes, 20_000))
    probability = np.exp(logits - logits.max(axis=0))
    probability /= probability.sum(axis=0)
    stored = decode_probability(encode_probability(probability)).astype(np.float64)
    np.testing.assert_allclose(stored.sum(axis=0), 1, atol=1e-6)
    assert np.abs(stored - probability).max() < 0.01
    known = stored > 0
    divergence = np.where(known, probability * np.log(probability / np.where(known, stored, 1)), 0).sum(axis=0)
    assert divergence.mean() < 2e-4
    assert probability[~known].max(initial=0) < 4e-8
    again = decode_probability(encode_probability(stored))
    assert np.abs(again - stored).max() < 0.02  # a second rounding is as harmless as the first


def test_hdfview_finds_the_palette(shard):
    """HDF5 Image specification: an IMAGE_INDEXED dataset refers to a PALETTE of 256 colours."""
    with h5py.File(shard) as file:
        label = file["label"]
        assert label.attrs["CLASS"] == b"IMAGE"
        assert label.attrs["IMAGE_SUBCLASS"] == b"IMAGE_INDEXED"
        palette = file[label.attrs["PALETTE"]]
        assert palette.attrs["CLASS"] == b"PALETTE" and palette.shape == (256, 3)
        assert tuple(palette[2]) == (0, 0, 142)


def test_h5web_and_silx_find_colours_first(shard):
    """The conditions in the code of the viewers, tried with h5web 16.0.1 (`NX RGB` is first) and silx 3.1.3 (`RGB`).

    h5web, `getSupportedNxVis`: NXdata whose signal is numeric, has three dimensions or more and a last one of 3 or 4,
    and has the interpretation `rgb-image` (older versions know no other) or CLASS `IMAGE`; `RgbVisContainer` then
    refuses every IMAGE_SUBCLASS but IMAGE_TRUECOLOR. For a dataset outside NXdata `CORE_VIS.RGB` asks for CLASS IMAGE.
    silx, `silx.gui.data._utils.isRgba`: the signal's interpretation is `rgb-image` or `rgba-image`, with three
    dimensions or more and a last one of 3 or 4. Neither reads PALETTE.
    """
    with h5py.File(shard) as file:
        # both follow `default` from the root to an NXdata group, then `signal`
        assert file.attrs["NX_class"] == "NXroot" and file[file.attrs["default"]].attrs["NX_class"] == "NXentry"
        entry = file[file.attrs["default"]]
        data = entry[entry.attrs["default"]]
        assert data.attrs["NX_class"] == "NXdata"
        signal = data[data.attrs["signal"]]
        assert signal == file["color"] and signal.dtype == np.uint8
        assert signal.ndim >= 3 and signal.shape[-1] == 3
        assert signal.attrs["interpretation"] == "rgb-image"
        assert signal.attrs["CLASS"] == b"IMAGE" and signal.attrs["IMAGE_SUBCLASS"] == b"IMAGE_TRUECOLOR"
        # both would show an auxiliary signal as another image of this shape
        assert "auxiliary_signals" not in data.attrs
        # one axis per dimension, `.` for none; decreasing rows, because silx draws upwards from the origin
        assert list(data.attrs["axes"]) == [".", "y", ".", "."]
        assert data["y"].shape == signal.shape[1:2] and (np.diff(data["y"][:]) == -1).all()


def test_colours_are_those_of_the_labels(shard):
    with h5py.File(shard) as file:
        for i, prediction in enumerate(predictions()):
            height, width = prediction.label.shape
            expected = np.array(CLASSES.colors, np.uint8)[prediction.label]
            np.testing.assert_array_equal(file["color"][i, :height, :width], expected)
        assert not file["color"][0, 16:].any()  # padding is black


def test_every_dataset_has_checksum_compression_and_image_chunks(shard, soft):
    with h5py.File(shard) as file:
        found = [file[name] for name in ("label", "color", "confidence", "size", "image_id")]
        with h5py.File(soft) as rest:
            for dataset in [*found, *(rest[name] for name in ("probability", "size", "image_id"))]:
                assert dataset.fletcher32 and dataset.compression == "gzip" and dataset.chunks[0] == 1


@pytest.mark.parametrize(("field", "value"), [("round", 3), ("method", "lpt"), ("seed", 7), ("teacher", "cd" * 32)])
def test_a_shard_of_another_origin_is_refused_with_both_values(soft, field, value):
    with pytest.raises(LbtError) as error:
        PseudoLabels([soft], CLASSES.names, replace(IDENTITY, **{field: value}))
    assert str(value) in str(error.value)
    assert str(getattr(IDENTITY, field)) in str(error.value)
    assert "probability-000.h5" in str(error.value)


def test_other_classes_are_refused(soft):
    with pytest.raises(LbtError, match="classes"):
        PseudoLabels([soft], ("road", "sky"), IDENTITY)


def test_an_image_in_two_shards_is_refused(soft, tmp_path):
    write(tmp_path / "shard-001.h5", 1)
    with pytest.raises(LbtError, match="city/image_0"):
        PseudoLabels([soft, soft_of(tmp_path / "shard-001.h5")], CLASSES.names, IDENTITY)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.6, 0.95, 0.999])
def test_a_truncated_file_is_refused(soft, keep):
    content = soft.read_bytes()
    soft.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(LbtError, match=r"probability-000\.h5"):
        PseudoLabels([soft], CLASSES.names, IDENTITY)


def test_a_flipped_byte_in_the_data_is_refused(soft):
    with h5py.File(soft) as file:
        place = file["probability"].id.get_chunk_info(1).byte_offset
    content = bytearray(soft.read_bytes())
    content[place + 5] ^= 0xFF
    soft.write_bytes(content)
    labels = PseudoLabels([soft], CLASSES.names, IDENTITY)
    labels.probability("city/image_0")
    with pytest.raises(LbtError, match="probability"):
        labels.probability("city/image_1")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LbtError, match=r"shard-009\.h5: is missing"):
        PseudoLabels([tmp_path / "shard-009.h5"], CLASSES.names, IDENTITY)


def test_equal_predictions_give_equal_bytes(shard, tmp_path):
    again = tmp_path / "shard-again.h5"
    write(again)
    assert again.read_bytes() == shard.read_bytes()
    assert soft_of(again).read_bytes() == soft_of(shard).read_bytes()
