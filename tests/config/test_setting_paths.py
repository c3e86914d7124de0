"""Paths of the settings: `~`, variables, and the two folders in which a relative one is looked for."""

import pytest

from lbt.config.paths import path_keys
from lbt.config.read import read_configuration, read_settings
from lbt.errors import LbtError

FOLDER = "data: {{layout: folder, root: '{}', folder: {{classes: [{{name: a, id: 0, color: [0, 0, 0]}}, "
FOLDER += "{{name: b, id: 1, color: [9, 9, 9]}}]}}}}\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory `start`; the configuration is `settings/my.yaml` beside it, and HOME is `home`."""
    for name in ("start", "settings", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "start")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATA", str(tmp_path / "home"))
    return tmp_path


def taken(here, root):
    """The path that the run takes for `data.root`, and what `check` says of it."""
    file = here / "settings" / "my.yaml"
    file.write_text(FOLDER.format(root))
    configuration = read_configuration([file])
    (path,) = configuration.paths
    assert configuration.settings.data.root == path.taken
    return path.taken, str(path)


def test_the_paths_of_the_settings():
    assert set(path_keys()) == {("data", "root"), ("search", "student", "weights")}


@pytest.mark.parametrize("root", ["~/photos", "$HOME/photos", "${HOME}/photos", "$DATA/photos"])
def test_home_and_variables(here, root):
    path, said = taken(here, root)
    assert path == f"{here}/home/photos" and said == f"data.root: {root} is {here}/home/photos"


def test_a_relative_path_is_first_looked_for_in_the_working_directory(here):
    path, said = taken(here, "photos")
    assert path == "photos"
    missing = f"(from the working directory; there is no {here}/settings/photos either)"
    assert said == f"data.root: photos is {here}/start/photos {missing}"
    (here / "settings" / "photos").mkdir()
    path, said = taken(here, "photos")
    assert path == f"{here}/settings/photos"
    assert said == f"data.root: photos is {path} (from the folder of the configuration file)"
    (here / "start" / "photos").mkdir()
    path, said = taken(here, "photos")
    assert path == "photos" and said.endswith(f"{here}/start/photos (from the working directory)")


def test_a_path_below_the_working_directory_is_the_same_wherever_the_file_lies(here, monkeypatch):
    (here / "settings" / "photos").mkdir()
    monkeypatch.chdir(here)
    assert taken(here, "photos")[0] == "settings/photos"


def test_scenes_are_always_drawn_in_the_working_directory(here):
    (here / "settings" / "scenes").mkdir()
    file = here / "settings" / "my.yaml"
    file.write_text("scenes: {}\ndata: {root: scenes}\n")
    assert read_settings(file).data.root == "scenes"


def test_a_literal_dollar_works_and_an_unset_variable_is_named(here):
    (here / "start" / "$cost").mkdir()
    assert taken(here, "$cost")[0] == "$cost"
    with pytest.raises(LbtError, match=r"line 1: data\.root: \$nope/x: the variable \$nope is not set"):
        taken(here, "$nope/x")


def test_a_folder_with_the_name_of_a_variable_is_taken_if_there_is_one(here):
    (here / "start" / "a $HOME").mkdir()
    assert taken(here, "a $HOME")[0] == "a $HOME"


@pytest.mark.parametrize("root", ["a" * 256, "é" * 128, "/".join(["abc"] * 2000)])
def test_a_path_that_no_file_system_takes_is_refused(here, root):
    with pytest.raises(LbtError, match="longer than a file system takes") as error:
        taken(here, root)
    assert len(str(error.value)) < 500


def test_blanks_at_the_ends_are_named_unless_there_is_such_a_path(here):
    for root in ("photos ", " "):
        with pytest.raises(LbtError, match=r"' has blanks at its ends, and there is no such path; remove them"):
            taken(here, root)
    (here / "settings" / "photos ").mkdir()
    assert taken(here, "photos ")[0] == f"{here}/settings/photos "


def test_weights_are_looked_for_alike(here):
    file = here / "settings" / "my.yaml"
    file.write_text("search: {student: {weights: student.pth}}\n")
    (here / "settings" / "student.pth").touch()
    assert read_settings(file).search.student.weights == f"{here}/settings/student.pth"
    for name in ("none", "imagenet", "coco"):
        (here / "settings" / name).touch()
        file.write_text(f"search: {{student: {{weights: {name}}}}}\n")
        assert read_settings(file).search.student.weights == name


def test_the_file_that_wrote_the_path_decides(here):
    (here / "home" / "photos").mkdir()
    (here / "settings" / "my.yaml").write_text("run: a\n")
    (here / "home" / "data.yaml").write_text(FOLDER.format("photos"))
    files = [here / "settings" / "my.yaml", here / "home" / "data.yaml"]
    assert read_configuration(files).settings.data.root == f"{here}/home/photos"
    assert read_configuration(files, ["run=b", 'data={"root": "photos"}']).settings.data.root == "photos"
