"""A fingerprint follows what a module imports, and nothing else."""

import pytest

from lbt.fingerprint import fingerprint
from lbt.stages import STAGES

FILES = {
    "pkg/__init__.py": "",
    "pkg/main.py": "from pkg.part import work\nfrom . import other\n\n\ndef run():\n    return work()\n",
    "pkg/part.py": '"""Part."""\nimport os\n\n\ndef work():\n    """Work."""\n    return 1  # one\n',
    "pkg/other.py": "def lazy():\n    from .deep.inner import x\n    return x\n",
    "pkg/deep/__init__.py": "",
    "pkg/deep/inner.py": "x = 1\n",
    "pkg/unrelated.py": "y = 1\n",
    "pkg/part.css": "p { color: red; }\n",
    "pkg/unrelated.css": "",
}


@pytest.fixture
def package(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def of_main(root):
    fingerprint.cache_clear()
    return fingerprint("pkg.main", root=root)


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("pkg/part.py", '"""Other words."""\nimport os\n\n\ndef work():\n    return 1\n', False),
        ("pkg/part.py", "import os\n\ndef work(): return (1)  # now\n", False),
        ("pkg/part.py", FILES["pkg/part.py"].replace("return 1", "return 2"), True),
        ("pkg/deep/inner.py", "x = 2\n", True),
        ("pkg/deep/__init__.py", "z = 0\n", True),
        ("pkg/unrelated.py", "y = 2\n", False),
        ("pkg/part.css", "p { color: blue; }\n", True),
        ("pkg/unrelated.css", "p {}\n", False),
    ],
)
def test_only_code_that_runs_changes_it(package, file, text, changes):
    before = of_main(package)
    (package / file).write_text(text)
    assert (of_main(package) != before) == changes


def test_an_unknown_module_is_an_error(package):
    with pytest.raises(ModuleNotFoundError, match=r"pkg\.absent"):
        fingerprint("pkg.absent", root=package)


def test_every_stage_has_one():
    found = {stage.module: fingerprint(stage.module) for stage in STAGES.values()}
    assert len(set(found.values())) == len(found)
