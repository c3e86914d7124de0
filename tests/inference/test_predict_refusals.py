"""What `lbt predict` refuses: it names the file, option or device in one message."""

import shutil

import numpy as np
import torch
from PIL import Image
from predicting import picture, predict, save
from random_network import random_network, write_network


def test_unreadable_files_are_named_and_the_others_are_predicted(network, tmp_path, capsys):
    folder = tmp_path / "in"
    save(folder / "good.png", picture(40, 50))
    (folder / "text.png").write_text("not an image")
    whole = save(folder / "whole.jpg", picture(40, 50)).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((40, 50), np.uint16)).save(folder / "deep.png")
    (folder / "notes.txt").write_text("not an image either")
    (folder / "photo.heic").write_bytes(b"")
    assert predict(network, folder, "--output", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert "3 of 5 images could not be read" in message and "Traceback" not in message
    assert "1 picture(s) of folders are left out, because their endings are not read (1 .heic)" in message
    assert "deep.png: is an image of mode I;16 with 16 bits a channel; save it with 8 bits a channel" in message
    assert all(f"{name}: cannot be decoded" in message for name in ("text.png", "cut.jpg")) and "notes" not in message
    for kind in ("labels", "overlays"):
        assert sorted(path.name for path in (tmp_path / "out" / kind).iterdir()) == ["good.png", "whole.png"]


def test_text_and_large_images_are_named(network, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no image")
    image = save(tmp_path / "a.png", picture(33, 44))
    assert predict(network, tmp_path / "notes.txt", image, "--output", tmp_path / "out", "--max-pixels", 1451) == 1
    message = capsys.readouterr().err
    assert "notes.txt: cannot be decoded (it is text, and not JPEG, PNG" in message
    assert "a.png: is 44 x 33 pixels" in message and "above the limit --max-pixels = 1451" in message
    assert predict(network, image, "--output", tmp_path / "out", "--max-pixels", 1452) == 0


def test_no_speed_is_said_if_no_image_could_be_read(network, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no image")
    assert predict(network, tmp_path / "notes.txt", "--output", tmp_path / "out") == 1
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: no image could be read\n"


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


def test_a_missing_gpu_is_reported(network, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    image = save(tmp_path / "a.png", picture(33, 44))
    assert predict(network, image, "--output", tmp_path / "out", "--device", "cuda") == 1
    assert "finds no GPU here" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert predict(network, image, "--output", tmp_path / "out", "--device", "auto") == 0


def test_a_network_whose_numbers_overflow_is_refused(tmp_path, capsys):
    image, network = save(tmp_path / "a.png", picture(33, 44)), random_network()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1e30)
    file = write_network(tmp_path / "network.pt", network)
    assert predict(file, image, "--output", tmp_path / "out") == 1
    assert "The network computes NaN or infinity" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("a.png"))
