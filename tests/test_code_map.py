"""The map of the code, `lbt/README.md`: every folder is on it, and every file and name on it exists."""

import re
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "lbt"
TEXT = (PACKAGE / "README.md").read_text()
CODE = sorted(set(re.findall(r"`([^`\n]+)`", TEXT)))
FILES = [code for code in CODE if re.fullmatch(r"[\w/.]+(/|\.py|\.yaml)", code)]
MODULES = {path.stem for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
NAMES = [code for code in CODE if re.fullmatch(r"\w+(\.\w+)+", code) and code.split(".")[0] in MODULES]
SETTINGS = {"search.student_weight", "search.teacher.lr", "search.student.optimizer.lr"}
"""Keys of the settings, which look like names."""


def find(name: str) -> object:
    """What a dotted name below `lbt` means: the longest module, and then attributes."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = PACKAGE.joinpath(*parts[:count])
        if path.with_suffix(".py").is_file() or path.is_dir():
            return reduce(getattr, parts[count:], import_module(".".join(["lbt", *parts[:count]])))
    raise AttributeError(name)


def test_every_folder_is_described():
    rows = re.findall(r"^\| `(\w+)/` \|", TEXT.split("## To change")[0], re.M)
    assert sorted(rows) == sorted(MODULES)


@pytest.mark.parametrize("file", FILES)
def test_a_file_exists(file):
    root = PACKAGE.parent if file.startswith(("tests/", "workflow/")) else PACKAGE
    assert (root / file).is_dir() if file.endswith("/") else (root / file).is_file()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SETTINGS])
def test_a_name_exists(name):
    assert callable(find(name))


def test_most_of_the_map_is_tested():
    """The patterns above find the names, whatever becomes of the page."""
    assert len(FILES) > 30 and len(NAMES) > 35 and set(NAMES) >= SETTINGS
