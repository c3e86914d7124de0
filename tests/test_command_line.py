"""The command line: one message and exit code 1 for bad input, no traceback."""

import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image

from lbt.__main__ import main
from lbt.artifacts import write_json
from lbt.config_file import read_settings
from lbt.data import streetscenes
from lbt.stages import STAGES, stage_settings

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A drawn data set and its configuration."""
    folder = tmp_path_factory.mktemp("drawn")
    content = yaml.safe_load((ROOT / "tests" / "workflow" / "tiny.yaml").read_text())
    content["data"]["root"] = str(folder / "scenes")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    settings = read_settings(config)
    streetscenes.run(scenes=settings.scenes, data=settings.data, output=folder / "scenes" / "scenes.json")
    return config


@pytest.fixture
def case(drawn, tmp_path):
    """A copy of the set that a test may spoil: its configuration and root."""
    content = yaml.safe_load(drawn.read_text())
    root = tmp_path / "scenes"
    shutil.copytree(content["data"]["root"], root)
    content["data"]["root"] = str(root)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(content))
    return config, root


def first(root, pattern):
    return sorted(root.glob(pattern))[0]


def spoil_image(root):
    path = first(root, "leftImg8bit/train/*/*.png")
    path.write_bytes(path.read_bytes()[:200])
    return path.name


def spoil_label(root):
    path = first(root, "gtFine/val/*/*.png")
    path.unlink()
    return path.name.removesuffix("_gtFine_labelIds.png")


def spoil_ids(root):
    path = first(root, "gtFine/train/*/*.png")
    Image.new("L", (97, 61), 77).save(path)
    return path.name


def spoil_size(root):
    path = first(root, "gtFine/train/*/*.png")
    Image.new("L", (96, 61), 7).save(path)
    return path.name


def spoil_root(root):
    shutil.rmtree(root / "leftImg8bit")
    return str(root)


def spoil_validation(root):
    shutil.rmtree(root / "leftImg8bit" / "val")
    shutil.rmtree(root / "gtFine" / "val")
    return "val"


@pytest.mark.parametrize("spoil", [spoil_image, spoil_label, spoil_ids, spoil_size, spoil_root, spoil_validation])
def test_check_names_the_file_and_fails(case, capsys, spoil):
    config, root = case
    assert main(["check", str(config)]) == 0
    capsys.readouterr()
    named = spoil(root)
    assert main(["check", str(config)]) == 1
    message = capsys.readouterr().err
    assert named in message
    assert "Traceback" not in message


def test_check_lists_every_problem_at_once(case, capsys):
    config, root = case
    names = [spoil_image(root), spoil_label(root), spoil_ids(root)]
    assert main(["check", str(config)]) == 1
    message = capsys.readouterr().err
    assert all(name in message for name in names)


def test_a_stage_without_its_input_says_so_and_writes_nothing(tmp_path, capsys):
    settings = read_settings(ROOT / "tests" / "workflow" / "tiny.yaml")
    arguments = ["stage", "warmup", "--settings", stage_settings(settings, "warmup", {"seed": 0}), "--code", "x"]
    arguments += ["--log", str(tmp_path / "log.txt"), "--inputs", f"split={tmp_path / 'split.csv'}"]
    arguments += ["--outputs", f"checkpoint={tmp_path / 'c.pt'}", f"metrics={tmp_path / 'm.csv'}"]
    assert main(arguments) == 1
    assert "split.csv: is missing" in capsys.readouterr().err
    assert "split.csv: is missing" in (tmp_path / "log.txt").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["log.txt"]


def test_show_needs_a_finished_run(tmp_path, capsys):
    assert main(["show", str(tmp_path)]) == 1
    assert "miou.csv: is missing" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["check"], ["show"], ["stage"]])
def test_help_is_complete(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    if command == ["stage"]:
        assert all(name in text for name in STAGES)


def test_a_tampered_genotype_is_refused_with_its_place(tmp_path, capsys):
    settings = read_settings(ROOT / "tests" / "workflow" / "tiny.yaml")
    genotype = tmp_path / "genotype.json"
    write_json(genotype, {"branches": [{"scale": 32, "cells": [{"layer": 0, "operator": "conv7"}]}]})
    (tmp_path / "split.csv").write_text("")
    arguments = ["stage", "retrain", "--code", "x", "--log", str(tmp_path / "log.txt"), "--settings"]
    arguments += [stage_settings(settings, "retrain", {"seed": 0, "method": "lbt"}), "--inputs"]
    arguments += [f"split={tmp_path / 'split.csv'}", f"genotype={genotype}", "--outputs"]
    arguments += [f"network={tmp_path / 'n.pt'}", f"metrics={tmp_path / 'm.csv'}"]
    assert main(arguments) == 1
    assert "genotype.json: branches[0].cells[0]" in capsys.readouterr().err
