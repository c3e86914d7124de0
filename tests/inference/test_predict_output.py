"""The folder that `lbt predict` writes: names, what it never replaces or mixes, and folders that cannot be written."""

import os

import pytest
from predicting import picture, predict, read, save
from random_network import CLASSES, write_network


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


def test_inputs_are_never_overwritten_and_results_never_read(network, tmp_path, capsys):
    image = save(tmp_path / "set" / "labels" / "a.png", picture(33, 44))
    before = image.read_bytes()
    assert predict(network, image, "--output", tmp_path / "set") == 1
    assert "would be replaced" in capsys.readouterr().err and image.read_bytes() == before
    assert not (tmp_path / "set" / "legend.png").exists()
    for _ in range(2):  # the results of the first run lie below the input of the second
        assert predict(network, tmp_path / "set", "--output", tmp_path / "set" / "out") == 0
    assert len(list((tmp_path / "set" / "out").rglob("*.png"))) == 3


def test_images_below_the_output_are_told_from_an_empty_folder(network, tmp_path, capsys):
    save(tmp_path / "set" / "a.png", picture(33, 44))
    assert predict(network, tmp_path / "set", "--output", tmp_path / "set") == 1
    assert "all its images lie below --output" in capsys.readouterr().err


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
