"""Use of a finished network where only the packages of the core are installed, without any extra."""

import os
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest
from packaging.utils import canonicalize_name
from PIL import Image
from random_network import write_network
from test_environment import EXTRAS, PROJECT, installed_with, needs_of

import lbt
from lbt.commands.extras import EXTRAS as MODULES

HIDE = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in absent else self.finder.find_spec(name, path, target)

absent = set(sys.argv.pop(1).split(","))
assert not absent & set(sys.modules)
sys.meta_path[:] = map(Without, sys.meta_path)
"""
COMMAND = f"{HIDE}\nfrom lbt.__main__ import main\nsys.exit(main())"
LIBRARY = f"""{HIDE}
import lbt
network = lbt.load_network(sys.argv[1])
print(network("street.png").sum().item(), network.method, network.summary().splitlines()[0])
"""


def absent_modules() -> set[str]:
    """All that is installed here besides the core and what comes with it."""
    core = installed_with([need.name for need in needs_of()]) | {PROJECT["name"], "pip", "setuptools"}
    offered = packages_distributions()
    return {name for name, by in offered.items() if not core & {canonicalize_name(one) for one in by}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("core")
    write_network(folder / "network.pt")
    Image.radial_gradient("L").convert("RGB").resize((99, 70)).save(folder / "street.png")
    return folder


def run(folder, program, *words):
    command = [sys.executable, "-c", program, ",".join(sorted(absent_modules())), *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_packages_of_the_extras_are_hidden():
    hidden = absent_modules()
    assert hidden >= {"snakemake", "onnxruntime", "onnx", "pandas", "matplotlib", "yaml", "rich", "h5py", "pytest"}
    assert not hidden & {"torch", "torchvision", "numpy", "PIL", "pydantic"}


def test_the_library_segments_an_image(folder):
    done = run(folder, LIBRARY, "network.pt")
    assert done.returncode == 0, done.stderr
    total = lbt.load_network(folder / "network.pt")(folder / "street.png").sum().item()
    assert total > 0 and done.stdout == f"{total} lbt SegmentationNetwork\n"


def test_the_command_segments_an_image(folder):
    done = run(folder, COMMAND, "predict", "network.pt", "street.png", "--output", "predictions")
    assert done.returncode == 0, done.stderr
    with Image.open(folder / "predictions/labels/street.png") as labels:
        assert labels.size == (99, 70)


def test_the_example_of_the_package_is_segmented(folder):
    done = run(folder, COMMAND, "predict", "--example", "--output", "example")
    assert done.returncode == 0 and (folder / "example/overlays/example.png").is_file(), done.stderr


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["show", "--help"], ["export", "--help"]])
def test_help_needs_no_extra(folder, words):
    done = run(folder, COMMAND, *words)
    assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("workflow", ["check", "config.yaml"]),
        ("workflow", ["show", "."]),
        ("workflow", ["status", "."]),
        ("workflow", ["shards", "."]),
        ("workflow", ["init", ".", "."]),
        ("workflow", ["compare", "."]),
        ("export", ["export", "network.pt", "network.onnx"]),
        ("export", ["predict", "network.onnx", "street.png"]),
    ],
)
def test_a_command_that_needs_an_extra_says_how_to_install_it(folder, extra, words):
    (folder / "network.onnx").touch()
    done = run(folder, COMMAND, *words)
    assert done.returncode == 1 and f"pip install -c constraints.txt -e '.[{extra}]'" in done.stderr, done.stderr
    assert done.stderr.startswith(f"lbt {words[0]}: needs the package ") and "Traceback" not in done.stderr


def test_the_message_knows_the_packages_of_the_extras():
    offered = packages_distributions()
    for extra, modules in MODULES.items():
        found = {canonicalize_name(name) for module in modules for name in offered[module]}
        own = {need.partition(">")[0] for need in EXTRAS[extra] if not need.startswith(("lbt[", "snakemake-"))}
        assert found == own
