"""The network in the package: the best of the published ones, with a card that is right, in the wheel too."""

import csv
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import lbt
from lbt.inference.network_file import BUNDLED
from lbt.runtime.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "results" / "published"


def read_mious():
    """mIoU of each published method."""
    with open(PUBLISHED / "camvid-cpu" / "miou.csv", encoding="utf-8") as file:
        return {row["method"]: float(row["retrained_miou"]) for row in csv.DictReader(file) if row["seed"] == "0"}


def test_it_is_the_best_published_network_and_nothing_but_the_data_set_is_added():
    mious = read_mious()
    best = max(mious, key=mious.get)
    content = load_checkpoint(BUNDLED, kind="network")
    published = load_checkpoint(PUBLISHED / "networks" / "camvid-cpu" / f"{best}-seed-0.pt", kind="network")
    assert content.pop("trained_on") == "CamVid, 367 training images"
    weights, others = content.pop("network"), published.pop("network")
    assert content == published and content["scores"]["miou"] == pytest.approx(mious[best], abs=1e-9)
    assert weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in others)


def test_the_card_tells_what_the_file_holds():
    card, network = BUNDLED.with_name("README.md").read_text(), lbt.load_network()
    scores, profile = network.scores, network.profile
    height, width = network.input_size
    weak = {name: f"{100 * scores['iou'][name]:.0f} %" for name in ("pole", "pedestrian", "sign symbol")}
    for text in (
        f"| classes | {', '.join(network.classes)} |",
        f"| mIoU | {100 * scores['miou']:.1f} % on the 101 validation images, each {width} x {height}; "
        f"pixel accuracy {100 * scores['pixel_accuracy']:.1f} % |",
        f"pole {weak['pole']} IoU, pedestrian {weak['pedestrian']}, sign symbol {weak['sign symbol']}",
        f"{profile['predicted_ms']:.1f} ms for {width} x {height} as the latency table predicts",
        f"{profile['median_ms']:.1f} ms ({profile['fps']:.1f} FPS) measured",
        f"{profile['parameters'] / 1e6:.3f} M parameters, {profile['macs'] / 1e9:.3f} G multiply-accumulates",
        f"{BUNDLED.stat().st_size / 1e6:.1f} MB",
        f"method `{network.method}`, seed {network.seed}, {network.space.layers} layers",
    ):
        assert text in card, text
    weakest = sorted(scores["iou"], key=scores["iou"].get)[:3]
    assert set(weakest) == weak.keys()
    assert re.search(r"at commit (\w{7});", card)[1] in (PUBLISHED / "camvid-cpu" / "README.md").read_text()


def test_the_wheel_has_it(tmp_path):
    """Built of a copy, unpacked, and used outside of the clone."""
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(ROOT / "lbt", source / "lbt", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    built = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = (
        "import lbt; print(lbt.__file__); network = lbt.load_network(); "
        "print(network.trained_on, len(network.classes), network.input_size)"
    )
    environment = {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}

    def python(*words):
        command = [sys.executable, *words]
        used = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert used.returncode == 0, used.stderr
        return used

    used = python("-c", program)
    assert used.stdout.splitlines() == [str(site / "lbt/__init__.py"), "CamVid, 367 training images 11 (360, 480)"]
    python("-m", "lbt", "predict", "--example")
    assert (tmp_path / "predictions/streets/overlays/example.png").is_file()
    assert (site / "lbt/inference/bundled/README.md").read_text() == BUNDLED.with_name("README.md").read_text()
