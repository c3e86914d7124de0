"""A folder of images for a prediction is walked as the folder of a data set is, and results keep its structure."""

import os
from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.inference.input_files import describe_left_out, find_inputs, split_network
from lbt.inference.result_names import name_results


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def names(inputs, output):
    return {str(name) for name in find_inputs(inputs, output).values()}


def test_hidden_files_of_a_folder_are_left_out(tmp_path):
    make(tmp_path, "in/a.png", "in/.hidden.png", "in/deep/._b.jpg")
    assert list(find_inputs([tmp_path / "in"], tmp_path / "out")) == [tmp_path / "in" / "a.png"]


def test_hidden_folders_are_left_out_and_folders_behind_links_are_read_once(tmp_path):
    make(tmp_path, "set/b/2.jpg", "set/a.JPG", "set/.thumbs/a.jpg", "far/3.png")
    (tmp_path / "set/link").symlink_to(tmp_path / "far")
    (tmp_path / "set/b/loop").symlink_to(tmp_path / "set")
    found = list(find_inputs([tmp_path / "set"], tmp_path / "out"))
    assert found == [tmp_path / "set" / name for name in ("a.JPG", "b/2.jpg", "link/3.png")]
    assert list(find_inputs([tmp_path / "set"], tmp_path / "far")) == found[:2]  # results of an earlier run


def test_folders_keep_their_structure_wherever_they_are(tmp_path, monkeypatch):
    make(tmp_path, "far/away/one/deep/a.png", "far/away/one/b.png", "two/a.png", "c.jpg", "two/clip.mp4")
    one, two = tmp_path / "far/away/one", tmp_path / "two"
    assert names([one], tmp_path / "out") == {"deep/a", "b"}  # also a folder in which all images are further down
    assert names([one / "deep"], tmp_path / "out") == {"a"}
    assert names([one, two, tmp_path / "c.jpg", two / "clip.mp4"], tmp_path / "out") == {
        *("one/deep/a", "one/b", "two/a", "c", "clip")
    }
    monkeypatch.chdir(one)
    assert names([Path("."), two], tmp_path / "out") == {"one/deep/a", "one/b", "two/a"}
    assert names([Path("b.png"), tmp_path / "c.jpg"], tmp_path / "out") == {"b", "c"}


def test_names_that_would_meet_keep_endings_or_folders(tmp_path):
    def name(*files, folder=None):
        found = name_results([(tmp_path / file, folder) for file in files], several=len(files) > 1)
        return [str(path) for path in found.values()]

    assert name("a.JPG", "c.d.png") == ["a", "c.d"]
    assert name("a.jpg", "a.png", "b/c.png") == ["a.jpg", "a.png", "c.png"]
    assert name("x/a.png", "y/a.png") == ["x/a", "y/a"]
    assert name("x/a.png", "y/a.png", "y/A.jpg") == ["x/a.png", "y/a.png", "y/A.jpg"]
    assert name("a.jpg", "A.png") == ["a.jpg", "A.png"]
    assert name("a.jpg", "A.jpg") == ["a.jpg", "A.jpg"]  # only where upper and lower case differ
    # the frames of a video get a folder
    clip = {tmp_path / "clip.mp4": None, tmp_path / "set/clip/1.png": tmp_path / "set"}
    assert [str(n) for n in name_results(list(clip.items()), several=False).values()] == ["clip.mp4", "clip/1.png"]


def test_the_first_path_is_a_network_by_its_ending(tmp_path):
    make(tmp_path, "a.pt", "b.ONNX", "c.png")
    paths = [tmp_path / name for name in ("a.pt", "b.ONNX", "c.png")]
    assert split_network([paths[0], paths[2]]) == (paths[0], [paths[2]])
    assert split_network([paths[1]]) == (paths[1], [])
    assert split_network([paths[2], tmp_path / "none.png"]) == (None, [paths[2], tmp_path / "none.png"])
    assert split_network([]) == (None, [])
    with pytest.raises(LbtError, match=r"b.ONNX: is a network; NETWORK comes first"):
        split_network([paths[2], paths[1]])
    with pytest.raises(LbtError, match=r"b.ONNX: is a network; NETWORK comes first"):
        split_network([paths[0], paths[1]])


@pytest.mark.parametrize("name", ["best.pth", "last.ckpt", "model.safetensors", "net.engine", "NET.TFLITE"])
def test_a_network_of_another_program_is_no_image(tmp_path, name):
    """Otherwise the network of the package would segment the images."""
    make(tmp_path, name)
    with pytest.raises(LbtError, match=rf"{name}: is no network of lbt, whose files end in \.pt or \.onnx"):
        split_network([tmp_path / name, tmp_path / "a.png"])


def test_pictures_that_a_folder_holds_and_nobody_reads_are_said(tmp_path, monkeypatch):
    make(tmp_path, "a.png", "deep/b.heic", "deep/c.HEIC", "d.gif", "notes.txt", ".hidden.heic", "clip.mp4")
    assert describe_left_out([tmp_path, tmp_path / "d.gif"]) == [
        "3 picture(s) of folders are left out, because their endings are not read (2 .heic, 1 .gif); convert them to "
        "JPEG or PNG"
    ]
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    monkeypatch.setattr("os.scandir", lambda place, scan=os.scandir: refuse() if place.name == "deep" else scan(place))
    assert describe_left_out([tmp_path])[1:] == [
        f"left out: {tmp_path}/deep (folder that cannot be read)",
        f"left out: {tmp_path}/gone.jpg (broken link)",
    ]
    assert describe_left_out([tmp_path / "a.png"]) == []


def refuse():
    raise PermissionError(13, "Permission denied")
