"""`requirements.lock`: the pins of `constraints.txt` with the hashes of their files, and no address."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from test_environment import installed_with, needs_of

ROOT = Path(__file__).resolve().parents[1]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = dict(re.findall(r"^([\w.-]+)==(\S+) \\$", LOCK, re.MULTILINE))
GPU = re.compile(r"nvidia-.*|cuda-.*|triton|setuptools")
"""Packages that PyTorch brings on Linux and that no pin of ours names."""


def test_the_lock_has_the_pins_and_hashes_only():
    pins = {canonicalize_name(name): version for name, version in PINS.items()}
    locked = {canonicalize_name(name): version for name, version in LOCKED.items()}
    assert len(pins) > 100 and len(locked) == len(LOCKED)
    assert {name: locked.get(name) for name in pins} == pins
    assert all(GPU.fullmatch(name) for name in locked.keys() - pins)
    hashed = r"([\w.-]+==\S+ \\\n( {4}--hash=sha256:[0-9a-f]{64} \\\n)* {4}--hash=sha256:[0-9a-f]{64}\n)+"
    assert re.fullmatch(hashed, LOCK)


def test_the_lock_has_all_that_the_tests_install():
    installed = {canonicalize_name(one.name) for one in distributions()}
    needed = installed & installed_with([need.name for need in needs_of("test")])
    assert len(needed) > 100 and needed <= {canonicalize_name(name) for name in LOCKED}


def test_the_command_that_renews_the_lock_is_written_with_what_it_needs():
    (command,) = re.findall(r"uv pip compile .*", (ROOT / "CONTRIBUTING.md").read_text())
    for words in ("--extra test", "--constraints constraints.txt", "--generate-hashes", "--no-emit-index-url"):
        assert words in command
    assert command.endswith("--output-file requirements.lock") and "--index-url" not in command.split()


def test_no_file_names_an_index_of_packages():
    for name in ("constraints.txt", "requirements.lock", "environment.yml", "pyproject.toml", "Dockerfile"):
        assert not re.search(r"--(extra-)?index-url|--find-links|://", (ROOT / name).read_text()), name
