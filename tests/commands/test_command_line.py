"""The command line: one message and exit code 1 for bad input, no traceback."""

import errno
import os
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


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 3 bytes")])
def test_where_memory_ran_out_there_is_a_message_instead_of_a_traceback(capsys, monkeypatch, error):
    def run(options):
        raise error

    monkeypatch.setattr("lbt.commands.show.run", run)
    assert main(["show", "."]) == 1
    assert "Memory ran out" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["predict", "check", "show", "status", "shards", "export"])
def test_a_path_that_nobody_can_look_up_is_named(tmp_path, capsys, command):
    name = "x" * 300
    assert main([command, str(tmp_path / name)]) == 1
    message = capsys.readouterr().err
    assert name in message and "File name too long" in message


def test_a_path_below_a_folder_that_may_not_be_entered_is_named(tmp_path, capsys, monkeypatch):
    """Python's `is_dir` raises an error there."""
    stat = os.stat

    def refuse(path, **options):
        if str(path).endswith("closed/a.png"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    assert main(["predict", str(tmp_path / "closed" / "a.png")]) == 1
    assert f"{tmp_path}/closed/a.png: Permission denied. Change its permissions" in capsys.readouterr().err
