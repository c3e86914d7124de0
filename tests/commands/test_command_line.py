"""The command line: one message and exit code 1 for bad input, no traceback."""

from pathlib import Path

import pytest
from stage_calls import stage_words

from lbt.__main__ import main
from lbt.config.read import read_settings
from lbt.data.splits import COLUMNS, TRAINING_ROLES
from lbt.files import write_json

ROOT = Path(__file__).resolve().parents[2]


def test_a_stage_without_its_input_names_it_and_writes_nothing(tmp_path, capsys):
    settings = read_settings(ROOT / "tests" / "workflow" / "tiny.yaml")
    outputs = {name: tmp_path / name for name in ("checkpoint", "metrics", "manifest")}
    inputs = {"split": tmp_path / "split.csv"}
    assert main(stage_words("warmup", settings, tmp_path / "log.txt", inputs=inputs, outputs=outputs)) == 1
    assert "split.csv: is missing" in capsys.readouterr().err
    assert "split.csv: is missing" in (tmp_path / "log.txt").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log.error", "log.txt"]


def test_show_needs_a_finished_run(tmp_path, capsys):
    assert main(["show", str(tmp_path)]) == 1
    assert "summary.md: is missing" in capsys.readouterr().err


def test_a_tampered_genotype_is_refused_with_the_faulty_place(tmp_path, capsys):
    settings = read_settings(ROOT / "tests" / "workflow" / "tiny.yaml")
    genotype = tmp_path / "genotype.json"
    write_json(genotype, {"branches": [{"scale": 32, "cells": [{"layer": 0, "operator": "conv7"}]}]})
    split = [",".join(COLUMNS), *(f"a,a.png,a_mask.png,a,{role}" for role in TRAINING_ROLES)]
    (tmp_path / "split.csv").write_text("\n".join(split))
    inputs = {"split": tmp_path / "split.csv", "genotype": genotype}
    outputs = {name: tmp_path / name for name in ("network", "metrics", "manifest")}
    assert main(stage_words("retrain", settings, tmp_path / "log.txt", inputs=inputs, outputs=outputs)) == 1
    assert "genotype.json: branches[0].cells[0]" in capsys.readouterr().err


def test_an_argument_that_is_missing_is_named_once(capsys):
    with pytest.raises(SystemExit):
        main(["check"])
    assert capsys.readouterr().err.endswith("the following arguments are required: CONFIG\n")


def test_a_working_directory_that_was_removed_is_named(tmp_path, capsys, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["check", "config.yaml"]) == 1
    assert "The working directory was removed" in capsys.readouterr().err
