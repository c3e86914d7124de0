"""`lbt predict`: label maps equal the scored predictions and the network's own, of any image; overlays, legend."""

import csv
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from predicting import picture, predict, read, save
from random_network import CLASSES, COLORS, write_network_of
from stage_calls import call_stage

import lbt
from lbt.config import DataSettings
from lbt.data.dataset import ImageDataset
from lbt.data.masks import read_label
from lbt.data.sample import Sample
from lbt.data.splits import read_split
from lbt.evaluation.scores import intersection_over_union
from lbt.files import read_json


def test_predictions_equal_the_scored_ones(tiny, tmp_path):
    settings, classes = tiny.settings, tiny.classes
    write_network_of(tmp_path / "network.pt", settings)
    call_stage(
        "evaluate_network",
        seed=0,
        method="lbt",
        data=settings.data,
        space=settings.space,
        evaluation=settings.evaluation,
        compute=settings.compute,
        split=tiny.split,
        network=tmp_path / "network.pt",
        scores=tmp_path / "scores.json",
        images=tmp_path / "images.csv",
        pictures=tmp_path / "pictures",
        predictions=tmp_path / "classes",
    )
    root = Path(settings.data.root)
    assert predict(tmp_path / "network.pt", root / "leftImg8bit" / "val", "--output", tmp_path / "out") == 0
    confusion = np.zeros((classes.num_classes, classes.num_classes), int)
    samples = read_split(tiny.split, "evaluation")
    written = {path.name: path for path in (tmp_path / "out" / "labels").rglob("*.png")}
    assert len(written) == len(samples)
    for sample in samples:
        truth = read_label(root / sample.image, root / sample.label, settings.data, classes)
        mode, predicted = read(written[(root / sample.image).name])
        assert mode == "P" and predicted.shape == truth.shape == (61, 97)
        np.add.at(confusion, (truth[truth != 255], predicted[truth != 255]), 1)
    scores = read_json(tmp_path / "scores.json")
    assert confusion.tolist() == scores["confusion"] and (confusion.sum(axis=0) > 0).sum() > 2
    assert float(intersection_over_union(torch.from_numpy(confusion)).nanmean()) == scores["miou"]


def test_files_of_any_size_give_label_map_overlay_legend_and_classes(network, tmp_path, capsys):
    sizes = {"a": (61, 97), "b": (32, 33), "c": (1, 1), "d": (7, 120)}
    for seed, (name, size) in enumerate(sizes.items()):
        save(tmp_path / "in" / f"{name}.png", picture(*size, seed))
    out = tmp_path / "out"
    assert predict(network, tmp_path / "in", "--output", out, "--opacity", 0.25) == 0
    loaded = lbt.load_network(network)
    for name, size in sizes.items():
        pixels = read(tmp_path / "in" / f"{name}.png")[1]
        mode, labels = read(out / "labels" / f"{name}.png")
        assert mode == "P" and labels.dtype == np.uint8 and labels.shape == size
        assert np.array_equal(labels, loaded(pixels).numpy())
        painted = np.array(COLORS)[labels]
        with Image.open(out / "labels" / f"{name}.png") as image:
            assert np.array_equal(np.array(image.convert("RGB")), painted)
        mode, overlay = read(out / "overlays" / f"{name}.png")
        assert mode == "RGB" and np.abs(overlay - (0.75 * pixels + 0.25 * painted)).max() <= 1
    with open(out / "classes.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(CLASSES) and rows[1]["blue"] == "142" and rows[1]["index"] == "1"
    legend = read(out / "legend.png")[1].reshape(-1, 3)
    assert all((legend == color).all(axis=1).sum() > 100 for color in COLORS)
    assert "4 images in " in capsys.readouterr().out
    assert not list(out.rglob("*.partial"))


def test_grey_transparent_palette_and_turned_images(network, tmp_path):
    pixels, grey, loaded = picture(40, 56), picture(40, 56)[..., 0], lbt.load_network(network)
    save(tmp_path / "in" / "grey.png", grey)
    save(tmp_path / "in" / "alpha.png", np.dstack([pixels, grey]))
    few = Image.fromarray(pixels).quantize(40)
    few.save(tmp_path / "in" / "palette.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # upright after a quarter turn clockwise
    save(tmp_path / "in" / "turned.png", pixels, exif=turned)
    assert predict(network, tmp_path / "in", "--output", tmp_path / "out") == 0
    expected = {
        "grey": np.dstack([grey] * 3),
        "alpha": pixels,
        "palette": np.array(few.convert("RGB")),
        "turned": np.rot90(pixels, -1),
    }
    for name, image in expected.items():
        assert np.array_equal(read(tmp_path / "out" / "labels" / f"{name}.png")[1], loaded(image).numpy()), name


def test_training_and_prediction_read_the_same_pixels(network, tmp_path):
    """Of a turned photograph, of a picture with transparency, and of the same picture in other containers."""
    pixels, loaded = picture(40, 56), lbt.load_network(network)
    turned = Image.Exif()
    turned[0x0112] = 8
    save(tmp_path / "in" / "turned.webp", pixels, lossless=True, exif=turned)
    save(tmp_path / "in" / "plain.bmp", pixels)
    save(tmp_path / "in" / "alpha.png", np.dstack([pixels, pixels[..., 0]]))
    save(tmp_path / "in" / "pages.tif", pixels, compression="tiff_lzw")
    assert predict(network, tmp_path / "in", "--output", tmp_path / "out") == 0
    names = ("turned.webp", "plain.bmp", "alpha.png", "pages.tif")
    dataset = ImageDataset([Sample(name, name, None, "") for name in names], DataSettings(root=str(tmp_path / "in")))
    for index, name in enumerate(names):
        (trained,) = dataset[index]
        assert np.array_equal(trained.permute(1, 2, 0).numpy(), np.rot90(pixels) if index == 0 else pixels), name
        written = read(tmp_path / "out" / "labels" / f"{name.split('.')[0]}.png")[1]
        assert np.array_equal(written, loaded(trained).numpy()) and len(np.unique(written)) > 1, name


def test_options_may_stand_anywhere(network, tmp_path):
    image = save(tmp_path / "a.png", picture(33, 44))
    orders = [
        (network, "--output", tmp_path / "0", image),
        ("--output", tmp_path / "1", network, image),
        (network, image, "--output", tmp_path / "2"),
    ]
    for number, words in enumerate(orders):
        assert predict(*words) == 0
        assert (tmp_path / str(number) / "labels/a.png").is_file()
