"""Labelling: shards share the images evenly and hold the teacher's rounded predictions."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from stage_calls import call_stage

from lbt.data.dataset import decode_image
from lbt.data.normalise import normalise
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.pseudo_labels.shard_format import decode_probability
from lbt.space.padding import upsample
from lbt.space.supernet_file import load_supernet
from lbt.space.widths import argmax_widths


def label(tiny, output: Path, shard: int, shards: int) -> None:
    search = tiny.settings.search.model_copy(update={"shards": shards})
    soft = output.with_name(f"probability-{output.name}")
    files = {"split": tiny.split, "teacher": tiny.warmup, "labels": output, "probabilities": soft}
    call_stage("label", tiny.settings, search=search, shard=shard, **files)


def test_shards_hold_every_second_image_and_its_prediction(tiny, tmp_path):
    images, data = read_split(tiny.split, "unlabeled"), tiny.settings.data
    supernet, architecture, _ = load_supernet(tiny.warmup, tiny.classes.names, tiny.settings.space, torch.device("cpu"))
    supernet.eval()
    widths = argmax_widths(architecture, tiny.settings.space)
    for shard in range(2):
        label(tiny, tmp_path / f"{shard}.h5", shard, 2)
        with h5py.File(tmp_path / f"{shard}.h5") as file:
            assert [name.decode() for name in file["image_id"]] == [sample.id for sample in images[shard::2]]
            pixels = decode_image(Path(data.root) / images[shard].image, data)
            with torch.no_grad():
                logits = supernet(normalise(pixels[None], data.mean, data.std), architecture, widths)[0]
            low = logits.softmax(dim=1)
            index = upsample(low, (pixels.shape[1], pixels.shape[2]))[0].argmax(dim=0)
            assert np.array_equal(file["label"][0], index.numpy())
            confidence = 255 * low[0].amax(dim=0).numpy()
            assert np.abs(file["confidence"][0] - confidence).max() < 0.51  # rounded, not cut off
        with h5py.File(tmp_path / f"probability-{shard}.h5") as file:
            stored = decode_probability(file["probability"][0])
            np.testing.assert_allclose(stored, low[0].numpy(), atol=0.01)


def test_more_shards_than_images_are_refused(tiny, tmp_path):
    with pytest.raises(LbtError, match=r"5 unlabelled images cannot fill search\.shards = 9 files"):
        label(tiny, tmp_path / "shard.h5", 8, 9)
    assert not list(tmp_path.iterdir())
