"""`lbt predict` without a network of one's own: that of the package, and the example."""

from pathlib import Path

import numpy as np
from predicting import picture, predict, read, save

import lbt


def test_without_a_network_that_of_the_package_is_used_and_introduced(tmp_path, capsys):
    image = save(tmp_path / "a.png", picture(64, 96))
    assert predict(image, "--output", tmp_path / "out", "--device", "cpu") == 0
    out = capsys.readouterr().out
    bundled = lbt.load_network()
    assert np.array_equal(read(tmp_path / "out/labels/a.png")[1], bundled(image).numpy())
    assert out.startswith("Network of the package (no NETWORK is named): street scenes only, 11 classes (sky, building")
    assert "56.0 % mIoU on CamVid's validation images" in out
    assert "network alone: " in out and " images of 96 x 64, median of " in out and "thread" in out and "float32" in out
    assert "its profile:   23.5 ms (42.6 FPS), 95 % of the passes within 29.2 ms, images of 480 x 360, Intel(R)" in out
    assert f"To see the result, open {tmp_path}/out/overlays/a.png" in out


def test_the_example_is_a_scene_in_which_the_network_of_the_package_finds_the_road(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert predict("--example", "--device", "cpu") == 0
    assert "To see the result, open predictions/streets/overlays/example.png" in capsys.readouterr().out
    assert read(Path("predictions/streets/example.png"))[1].shape == (360, 480, 3)
    labels, classes = read(Path("predictions/streets/labels/example.png"))[1], lbt.load_network().classes
    assert (labels[250:, 100:380] == classes.index("road")).mean() > 0.9  # where the street is in every scene
    found = {classes[index] for index in np.unique(labels) if (labels == index).mean() > 0.005}
    assert found >= {"sky", "building", "road", "tree", "pavement", "car"}


def test_after_the_example_comes_the_network_of_a_run(network, tmp_path, monkeypatch):
    """Its results have other classes, and need no other folder to be named."""
    monkeypatch.chdir(tmp_path)
    image = save(tmp_path / "a.png", picture(33, 44))
    assert predict(image) == 0 and predict(network, image) == 0 and predict(image) == 0
    assert Path("predictions/labels/a.png").is_file() and Path("predictions/streets/labels/a.png").is_file()


def test_an_example_with_another_network_and_images(network, tmp_path):
    image = save(tmp_path / "a.png", picture(33, 44))
    own = save(tmp_path / "example.jpg", picture(33, 44))
    assert predict(network, image, own, "--example", "--output", tmp_path / "out") == 0
    written = sorted(path.name for path in (tmp_path / "out/labels").iterdir())
    assert written == ["a.png.png", "example.jpg.png", "example.png.png"]
