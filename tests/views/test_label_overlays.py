"""Overlays of a round: one picture per image in the folder of the round, half photograph and half label."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lbt.errors import LbtError
from lbt.pseudo_labels.read import read_head
from lbt.views.label_overlays import write_overlays


def read_heads(run, number):
    shards = sorted((run / f"search/lbt/seed-0/round-{number}/pseudo_labels").glob("shard-*.h5"))
    return {path: read_head(path) for path in shards}


def test_each_picture_is_half_photograph_and_half_label(labelled, tmp_path):
    root, samples = Path(labelled.settings.data.root), {image.id: image for image in labelled.images}
    place = write_overlays(tmp_path, read_heads(labelled.run, 2), samples, labelled.settings.data)
    assert place == tmp_path / "lbt-seed-0-round-2"
    assert {path.name for path in place.iterdir()} == {*(f"{name}.png" for name in samples), "legend.png"}
    for name, sample in samples.items():
        photograph = np.array(Image.open(root / sample.image).convert("RGB")).astype(int)
        label = np.array(labelled.classes.colors)[labelled.predictions[2][name].label]
        overlay = np.array(Image.open(place / f"{name}.png")).astype(int)
        assert np.abs(overlay - (photograph + label) / 2).max() <= 1
        assert np.abs(overlay - photograph).max() > 10 and np.abs(overlay - label).max() > 10


def test_the_legend_has_the_colour_of_each_class(labelled, tmp_path):
    samples = {image.id: image for image in labelled.images}
    place = write_overlays(tmp_path, read_heads(labelled.run, 1), samples, labelled.settings.data)
    shown = {tuple(color) for color in np.array(Image.open(place / "legend.png").convert("RGB")).reshape(-1, 3)}
    assert set(labelled.classes.colors) <= shown


def test_an_image_outside_the_split_is_named(labelled, tmp_path):
    known = {image.id: image for image in labelled.images[1:]}
    expected = f"{tmp_path}/lbt-seed-0-round-1: image {labelled.images[0].id} is not in the split. "
    with pytest.raises(LbtError) as caught:
        write_overlays(tmp_path, read_heads(labelled.run, 1), known, labelled.settings.data)
    assert str(caught.value) == f"{expected}Label again, or name its own run."
