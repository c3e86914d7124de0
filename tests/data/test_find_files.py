"""One walk for all: patterns, hidden files and folders, links, loops, and reasons for what is left out."""

from pathlib import Path

import pytest

from lbt.data.find_files import find_files, find_images_below
from lbt.errors import LbtError


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    "pattern",
    ["*", "*/*", "**/*", "a/*", "a/**/*", "**/c/*", "**/*.png", "a/[bd]*/?.png", "*/b/*", "a/./*", "**/b/**/*"],
)
def test_patterns_mean_what_pathlib_makes_of_them(tmp_path, pattern):
    touch(tmp_path, "1.png", "a/2.png", "a/b/3.png", "a/b/c/4.jpg", "d/c/5.png", "d/b/6.JPG", "d/b/text.txt")
    found = find_files(tmp_path, pattern)
    expected = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.glob(pattern) if path.suffix.lower() != ".txt"
    }
    assert set(found.files) == {name for name in expected if (tmp_path / name).is_file()}
    assert found.files == sorted(set(found.files)) and found.files


def test_a_pattern_that_ends_in_two_stars_means_all_files_below(tmp_path):
    touch(tmp_path, "a/1.png", "a/b/2.png")
    assert find_files(tmp_path, "a/**").files == ["a/1.png", "a/b/2.png"]


def test_every_file_that_is_left_out_has_a_reason(tmp_path):
    touch(tmp_path, "b.png", "a.JPG", "._a.png", "notes.txt", "clip", ".thumbs/a.png", "deeper/x.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "itself.png").symlink_to("itself.png")
    found = find_files(tmp_path, "*")
    assert found.files == ["a.JPG", "b.png"]
    assert found.left_out == {
        "._a.png": "hidden",
        "notes.txt": "ending .txt",
        "clip": "no ending",
        ".thumbs": "hidden folder",
        "gone.png": "broken link",
        "itself.png": "broken link",
    }
    assert sorted(found.below) == ["deeper", "folder.png"]
    assert find_files(tmp_path, "*.png").left_out["a.JPG"] == "outside the pattern"


@pytest.mark.parametrize("pattern", ["**/*", "*/*", "*/a.png"])
def test_hidden_folders_are_left_out_unless_the_pattern_names_them(tmp_path, pattern):
    touch(tmp_path, "x/a.png", ".x/a.png", ".x/y/a.png")
    found = find_files(tmp_path, pattern)
    assert found.files == ["x/a.png"] and found.left_out == {".x": "hidden folder"}
    assert find_files(tmp_path, f".x/{pattern.removeprefix('*/')}").files[0] == ".x/a.png"


def test_folders_behind_links_are_looked_into_once(tmp_path):
    touch(tmp_path, "elsewhere/deep/1.png", "set/a/2.png")
    (tmp_path / "set/a_link").symlink_to("a")
    (tmp_path / "set/far").symlink_to(tmp_path / "elsewhere")
    assert find_files(tmp_path / "set", "**/*").files == ["a/2.png", "far/deep/1.png"]
    assert find_files(tmp_path / "set", "*/*").files == ["a/2.png", "a_link/2.png"]
    assert find_images_below(tmp_path / "set") == [tmp_path / "set/a/2.png", tmp_path / "set/far/deep/1.png"]


def test_loops_of_links_end(tmp_path):
    touch(tmp_path, "set/a/1.png", "set/b/2.png", "masks/3.png")
    (tmp_path / "set/a/up").symlink_to(tmp_path)
    (tmp_path / "set/a/itself").symlink_to(".")
    (tmp_path / "set/a/b").symlink_to("../b")
    (tmp_path / "set/b/a").symlink_to("../a")
    assert find_files(tmp_path, "set/**/*").files == ["set/a/1.png", "set/b/2.png"]
    assert sorted(find_files(tmp_path, "set/a/*").below) == ["set/a/b", "set/a/up"]  # not `itself`


def test_many_stars_take_no_time(tmp_path):
    touch(tmp_path, "/".join(["a"] * 12 + ["1.png"]), "a/a/2.png")
    assert len(find_files(tmp_path, "**/a/**/a/**/**/**/*").files) == 2


def test_an_unreadable_folder_is_left_out_aloud(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.png", "lost+found/2.png")
    import os

    scan = os.scandir

    def refuse(place):
        if str(place).endswith("lost+found"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    found = find_files(tmp_path, "**/*")
    assert found.files == ["a/1.png"] and found.left_out == {"lost+found": "folder that cannot be read"}


@pytest.mark.parametrize("pattern", ["/photos/*", "", "**a/*"])
def test_an_absolute_or_empty_pattern_is_refused(tmp_path, pattern):
    with pytest.raises(LbtError, match=r"is not a pattern below .* \((it is|`\*\*` stands alone)"):
        find_files(tmp_path, pattern)


def test_wildcards_and_what_they_stand_for(tmp_path):
    touch(tmp_path, "a/photos/1.png", "a/photos/x/2.png")
    assert find_files(tmp_path, "*/photos/**/*").folders == {"a/photos": ("a",), "a/photos/x": ("a", "x")}
    touch(tmp_path, "set [1]/1.png")
    assert find_files(tmp_path, "set [1]/*").files == ["set [1]/1.png"]
