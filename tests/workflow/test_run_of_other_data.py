"""A run with another data set under the name of a finished run is refused before its first job; a dry-run warns."""

import shutil

import numpy as np
import pytest
from clone import ROOT, Clone
from finished_data import leave_data
from PIL import Image

from lbt.config.read import parse_settings


def draw(root, name):
    pixels = np.random.default_rng(len(name)).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    for folder, image in (("photos", Image.fromarray(pixels)), ("labels", Image.fromarray(pixels[:, :, 0] % 3))):
        (root / folder).mkdir(parents=True, exist_ok=True)
        image.save(root / folder / f"{name}.png")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    clone = Clone(tmp_path / "clone", ROOT / "config" / "own-data.yaml")
    for number in range(10):
        draw(tmp_path / "old", f"old {number}")
        draw(tmp_path / "new", f"new {number:06d}")
    clone.settings["data"]["root"] = str(tmp_path / "old")
    monkeypatch.chdir(clone.folder)
    leave_data(parse_settings(clone.settings, "own-data.yaml"), clone.folder / "results" / "own-data")
    clone.settings["data"]["root"] = str(tmp_path / "new")
    return clone


def test_nothing_is_replaced_before_the_user_decides(clone):
    results = clone.folder / "results" / "own-data"
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    looked = clone.snakemake("--dry-run")
    said = looked.stdout + looked.stderr
    assert looked.returncode == 0 and "holds the results of another data set (10 of 10 images of" in said
    refused = clone.snakemake("--until", "check")
    assert refused.returncode != 0 and "Write another `run:`, or, to replace the results, remove" in refused.stderr
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before
    shutil.rmtree(results / "data")
    started = clone.snakemake("--until", "check")
    assert started.returncode == 0, started.stderr
