"""`lbt predict`: label maps equal the scored predictions, overlays have the input size, errors name files."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from predicting import picture, predict, read, save
from random_network import CLASSES, COLORS, random_network, write_network, write_network_of
from stage_calls import call_stage

import lbt
from lbt.config import DataSettings
from lbt.data.dataset import ImageDataset
from lbt.data.masks import read_label
from lbt.data.sample import Sample
from lbt.data.splits import read_split
from lbt.evaluation.scores import intersection_over_union
from lbt.files import read_json
from lbt.inference.input_files import find_inputs


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


def test_unreadable_files_are_named_and_the_others_are_predicted(network, tmp_path, capsys):
    folder = tmp_path / "in"
    save(folder / "good.png", picture(40, 50))
    (folder / "text.png").write_text("not an image")
    whole = save(folder / "whole.jpg", picture(40, 50)).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((40, 50), np.uint16)).save(folder / "deep.png")
    (folder / "notes.txt").write_text("not an image either")
    assert predict(network, folder, "--output", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert "3 of 5 images could not be read" in message and "Traceback" not in message
    assert "deep.png: is an image of mode I;16 with 16 bits a channel; save it with 8 bits a channel" in message
    assert all(f"{name}: cannot be decoded" in message for name in ("text.png", "cut.jpg")) and "notes" not in message
    for kind in ("labels", "overlays"):
        assert sorted(path.name for path in (tmp_path / "out" / kind).iterdir()) == ["good.png", "whole.png"]


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


def test_equal_names_do_not_collide(network, tmp_path):
    files = ("left/a.png", "right/a.png", "right/deep/a.png")
    for seed, name in enumerate(files):
        save(tmp_path / "in" / name, picture(20 + seed, 30))
    out = tmp_path / "out"
    assert (
        predict(network, tmp_path / "in/left", tmp_path / "in/right", tmp_path / "in/left/a.png", "--output", out) == 0
    )
    assert sorted(str(path.relative_to(out / "labels")) for path in (out / "labels").rglob("*.png")) == sorted(files)
    assert read(out / "labels" / "right/deep/a.png")[1].shape == (22, 30)


def test_hidden_files_of_a_folder_are_left_out(tmp_path):
    for name in ("a.png", ".hidden.png", "deep/._b.jpg"):
        save(tmp_path / "in" / name, picture(4, 5))
    assert list(find_inputs([tmp_path / "in"], tmp_path / "out")) == [tmp_path / "in" / "a.png"]


def test_inputs_are_never_overwritten_and_results_never_read(network, tmp_path, capsys):
    image = save(tmp_path / "set" / "labels" / "a.png", picture(33, 44))
    before = image.read_bytes()
    assert predict(network, image, "--output", tmp_path / "set") == 1
    assert "would be replaced" in capsys.readouterr().err and image.read_bytes() == before
    assert not (tmp_path / "set" / "legend.png").exists()
    for _ in range(2):  # the results of the first run lie below the input of the second
        assert predict(network, tmp_path / "set", "--output", tmp_path / "set" / "out") == 0
    assert len(list((tmp_path / "set" / "out").rglob("*.png"))) == 3


def test_wrong_arguments_are_reported_and_nothing_is_written(network, tmp_path, capsys):
    image = save(tmp_path / "a.png", picture(33, 44))
    for name in ("empty", "empty.pt"):
        (tmp_path / name).mkdir()
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "network.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    cases = {
        (network, tmp_path / "none.png"): "none.png: there is no such image, video or folder",
        (network, tmp_path / "empty"): "empty: holds no image",
        (tmp_path / "foto.jpg",): "foto.jpg: there is no such image, video or folder",
        (network,): "Name an image, a folder or a video; `lbt predict --example`",
        (): "Name an image, a folder or a video; `lbt predict --example`",
        (tmp_path / "none.pt",): "none.pt: is missing; NETWORK comes first",
        (tmp_path / "none.onnx", "--example"): "none.onnx: is missing; NETWORK comes first",
        (network, image, "--max-pixels", "0"): "--max-pixels: is 0",
        (tmp_path / "none.pt", image): "none.pt: is missing; NETWORK comes first, such as results/",
        (tmp_path / "network.onnx", image): "network.onnx: cannot be read by ONNX Runtime",
        (network, image, "--opacity", "1.5"): "--opacity: is 1.5",
        (tmp_path / "empty.pt", image): "empty.pt: is a folder; NETWORK comes first, such as results/",
        (image, network): "network.pt: is a network; NETWORK comes first, one alone, then the images",
    }
    for words, message in cases.items():
        assert predict(*words, "--output", tmp_path / "out") == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert predict(network, image, "--output", tmp_path / "result.JPG") == 1
    assert "result.JPG is the name of an image, but the results are a folder" in capsys.readouterr().err
    assert not (tmp_path / "result.JPG").exists()


def test_text_and_large_images_are_named(network, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no image")
    image = save(tmp_path / "a.png", picture(33, 44))
    assert predict(network, tmp_path / "notes.txt", image, "--output", tmp_path / "out", "--max-pixels", 1451) == 1
    message = capsys.readouterr().err
    assert "notes.txt: cannot be decoded (it is text, and not JPEG, PNG" in message
    assert "a.png: is 44 x 33 pixels" in message and "above the limit --max-pixels = 1451" in message
    assert predict(network, image, "--output", tmp_path / "out", "--max-pixels", 1452) == 0


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


def test_predictions_of_two_networks_do_not_mix_in_a_folder(network, tmp_path, capsys):
    image, out = save(tmp_path / "a.png", picture(33, 44)), tmp_path / "out"
    assert predict(network, image, "--output", out) == 0
    assert predict(network, image, "--output", out) == 0
    other = write_network(tmp_path / "other.pt", classes={**CLASSES, "sign": (1, 2, 3)})
    whole = {path: path.read_bytes() for path in out.rglob("*.*")}
    assert predict(other, image, "--output", out) == 1
    assert "classes.csv: has other classes or colours than this network" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == whole
    assert predict(other, image, "--output", tmp_path / "other") == 0


def test_a_folder_that_cannot_be_written_is_named(network, tmp_path, capsys):
    image = save(tmp_path / "a.png", picture(33, 44))
    (tmp_path / "out").write_text("a file")
    assert predict(network, image, "--output", tmp_path / "out") == 1
    assert "out is a file. Name a folder for the results" in capsys.readouterr().err
    assert predict(network, image, "--output", tmp_path / "out" / "deep") == 1
    assert "could not be written" in capsys.readouterr().err


def test_a_missing_gpu_is_reported(network, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    image = save(tmp_path / "a.png", picture(33, 44))
    assert predict(network, image, "--output", tmp_path / "out", "--device", "cuda") == 1
    assert "finds no GPU here" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert predict(network, image, "--output", tmp_path / "out", "--device", "auto") == 0


@pytest.mark.parametrize("name", ["pipe", "zeros"])
def test_a_list_of_classes_that_has_no_end_is_replaced(network, tmp_path, name):
    image, classes = save(tmp_path / "a.png", picture(33, 44)), tmp_path / "out" / "classes.csv"
    classes.parent.mkdir()
    os.mkfifo(classes) if name == "pipe" else classes.symlink_to("/dev/zero")
    assert predict(network, image, "--output", tmp_path / "out") == 0
    assert classes.is_file() and not classes.is_symlink()


def test_links_that_lead_nowhere_are_named(network, tmp_path, capsys):
    image, out = save(tmp_path / "a.png", picture(33, 44)), tmp_path / "out"
    (tmp_path / "loop").symlink_to("loop")
    assert predict(network, image, "--output", tmp_path / "loop") == 1
    assert "--output: " in (err := capsys.readouterr().err) and "loop is a link that leads nowhere" in err
    out.mkdir()
    (out / "labels").symlink_to("labels")
    assert predict(network, image, "--output", out) == 1
    assert f"{out}/labels/a.png: could not be written" in capsys.readouterr().err


def test_images_below_the_output_are_told_from_an_empty_folder(network, tmp_path, capsys):
    save(tmp_path / "set" / "a.png", picture(33, 44))
    assert predict(network, tmp_path / "set", "--output", tmp_path / "set") == 1
    assert "all its images lie below --output" in capsys.readouterr().err


def test_a_network_whose_numbers_overflow_is_refused(tmp_path, capsys):
    image, network = save(tmp_path / "a.png", picture(33, 44)), random_network()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1e30)
    file = write_network(tmp_path / "network.pt", network)
    assert predict(file, image, "--output", tmp_path / "out") == 1
    assert "The network computes NaN or infinity" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("a.png"))


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
