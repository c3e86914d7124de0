"""Whole or absent: atomic writes, JSON, CSV and checkpoints under faults."""

import errno
import os
import re
from functools import partial
from pathlib import Path

import pytest
import torch

from lbt import files as artifacts
from lbt.errors import LbtError
from lbt.files import (
    atomic_path,
    canonical_json,
    digest,
    open_own,
    read_csv,
    read_json,
    require_own_folders,
    sha256,
    write_json,
    write_text,
)
from lbt.runtime.checkpoint import load_checkpoint, save_checkpoint


def test_an_error_inside_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("fault", ["write", "replace"])
def test_a_full_disk_is_a_message_and_leaves_nothing(tmp_path, monkeypatch, fault):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if fault == "write":
        monkeypatch.setattr(Path, "write_text", full)
    else:
        monkeypatch.setattr(artifacts.os, "replace", full)
    with pytest.raises(LbtError, match=r"file\.txt: could not be written \(No space left on device\)"):
        write_text(tmp_path / "file.txt", "text")
    assert os.listdir(tmp_path) == []


def test_a_link_of_the_temporary_name_is_not_followed(tmp_path):
    path, victim = tmp_path / "file.txt", tmp_path / "victim"
    victim.write_text("as it was")
    (tmp_path / f".file.txt.{os.getpid()}.partial").symlink_to(victim)
    write_text(path, "text")
    assert (path.read_text(), victim.read_text()) == ("text", "as it was")
    assert not path.is_symlink() and len(os.listdir(tmp_path)) == 2


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", [float("inf")])
    assert not list(tmp_path.iterdir())


STRANGE_JSON = {
    "empty": (b"", "EOF"),
    "not UTF-8": (b'"\xe9"', "utf-8"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "utf-8"),
    "NaN": (b'{"a": NaN}', "expected value"),
    "infinite": (b"[-Infinity]", "invalid number"),
    "too large a number": (b"[-1e999]", "1e999 is too large a number"),
    "too many digits": (b"1" * 5000, "number out of range"),
    "half a character": (b'"\\ud800"', "hex escape"),
    "a key twice": (b'[{"a": 1, "b": 2, "a": 3}]', "a key is given twice in {a, b, a}"),
    "nested lists": (b"[" * 100_000, "recursion limit"),
    "nested objects": (b'{"a":' * 100_000, "recursion limit"),
    "too long": (b"[" + b"[]," * 6_000_000 + b"[]]", "more than 16777216 characters"),
}


@pytest.mark.parametrize("name", STRANGE_JSON)
def test_strange_json_is_a_message(tmp_path, name):
    content, message = STRANGE_JSON[name]
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(LbtError, match=rf"x\.json: is not JSON \(.*{re.escape(message)}.*\)\. Delete it"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize(
    "read",
    [
        read_json,
        partial(read_csv, columns=("a",), parse=dict, stage="make"),
        partial(load_checkpoint, kind="supernet"),
    ],
)
def test_what_has_no_end_is_not_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros", "."):
        with pytest.raises(LbtError, match=r"it is not a regular file|is a folder"):
            read(tmp_path / name)


def test_a_pipe_has_no_digest(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        sha256(tmp_path / "pipe")


def test_a_file_that_is_written_in_place_is_no_link(tmp_path):
    victim, log = tmp_path / "victim", tmp_path / "log"
    victim.write_text("as it was")
    for plant in (log.symlink_to, log.hardlink_to):
        plant(victim)
        for mode in ("w", "a", "r"):
            with pytest.raises(OSError, match="link"), open(log, mode, opener=open_own):
                pass
        log.unlink()
    os.mkfifo(log)
    with pytest.raises(OSError), open(log, "a", opener=open_own):
        pass
    log.unlink()
    for mode, text in (("a", "1"), ("a", "12"), ("w", "3")):
        with open(log, mode, opener=open_own) as file:
            file.write(text[-1])
        assert log.read_text() == text
    assert victim.read_text() == "as it was"


def test_folders_that_lead_out_of_the_results_are_refused(tmp_path):
    disk, run = tmp_path / "disk" / "run", tmp_path / "run"
    (disk / "search" / "lbt").mkdir(parents=True)
    (tmp_path / "victim").mkdir()
    run.symlink_to(disk)  # the whole run on another disk
    (disk / "tables").symlink_to(disk / "search")
    require_own_folders(run)
    require_own_folders(tmp_path / "absent")
    (disk / "search" / "lbt" / "round-1").symlink_to("../../../../victim")
    with pytest.raises(LbtError, match=rf"run/search/lbt/round-1: is a link to {tmp_path}/victim.*make {run} itself"):
        require_own_folders(run)


def test_digest_ignores_the_order_of_keys_only():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1, "b": 2}) != digest({"a": 1, "b": 2.5})


IDENTITY = {"classes": ["road", "sky"]}


def test_equal_checkpoints_have_equal_bytes_under_any_name(tmp_path):
    for name in ("one.pt", "another.pt"):
        save_checkpoint(tmp_path / name, kind="supernet", identity=IDENTITY, state={"weight": torch.arange(9.0)})
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "another.pt").read_bytes()


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, kind="supernet", identity=IDENTITY, state={"weight": torch.arange(1000.0)})
    return path


def test_a_checkpoint_round_trip(checkpoint):
    content = load_checkpoint(checkpoint, kind="supernet", expect=IDENTITY)
    assert torch.equal(content["weight"], torch.arange(1000.0))


@pytest.mark.parametrize("keep", [0, 10, 0.2, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(checkpoint, keep):
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(LbtError, match=r"checkpoint\.pt: is damaged"):
        load_checkpoint(checkpoint, kind="supernet")


def test_no_byte_of_a_checkpoint_changes_its_content_in_silence(tmp_path):
    path, state = tmp_path / "checkpoint.pt", {"weight": torch.arange(9.0), "steps": [1, 2.5]}
    save_checkpoint(path, kind="supernet", identity=IDENTITY, state=state)
    whole, intact, refused = path.read_bytes(), load_checkpoint(path, kind="supernet"), 0
    for place, byte in enumerate(whole):
        # this bit makes a folder of an entry in the archive's directory
        path.write_bytes(whole[:place] + bytes([byte ^ 0x10]) + whole[place + 1 :])
        try:
            found = load_checkpoint(path, kind="supernet", expect=IDENTITY)
        except LbtError:
            refused += 1
            continue
        assert torch.equal(found.pop("weight"), state["weight"]), place
        assert found == {key: value for key, value in intact.items() if key != "weight"}, place
    assert refused > len(whole) / 2


def test_a_checkpoint_of_another_class_count_names_both(checkpoint):
    with pytest.raises(LbtError, match=r"classes = 2 .*these settings have 3 "):
        load_checkpoint(checkpoint, kind="supernet", expect={"classes": ["road", "sky", "car"]})


def test_another_kind_a_foreign_file_and_a_missing_file_are_refused(checkpoint, tmp_path):
    with pytest.raises(LbtError, match="holds a supernet, a network is needed"):
        load_checkpoint(checkpoint, kind="network")
    torch.save({"x": 1}, tmp_path / "foreign.pt")
    with pytest.raises(LbtError, match="was not written by lbt"):
        load_checkpoint(tmp_path / "foreign.pt", kind="network")
    with pytest.raises(LbtError, match="is missing"):
        load_checkpoint(tmp_path / "absent.pt", kind="network")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3\n", r"table\.csv, line 3: does not have 2 values\. Delete it and rerun the stage `make`\."),
        ("a,b\n1,2,3\n", r"table\.csv, line 2: does not have 2 values"),
        ('a,b\n1,"2\n2"\nx,4\n', r"table\.csv, line 4: invalid literal .*'x'"),
        ("a\n1\n", r"table\.csv: has the columns a; needed are a, b\. Delete"),
        ("", r"table\.csv: has the columns none; needed are a, b"),
        ('a,b\n"1,2\n', r"table\.csv: is not a CSV table"),
    ],
)
def test_a_damaged_csv_table_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(LbtError, match=message):
        read_csv(tmp_path / "table.csv", ("a", "b"), lambda row: int(row["a"]), stage="make")


def test_a_csv_table_is_read_row_by_row(tmp_path):
    (tmp_path / "table.csv").write_text('a,b\n1,"x, y"\n2,\n')
    assert read_csv(tmp_path / "table.csv", ("a", "b"), dict, stage="make") == [
        {"a": "1", "b": "x, y"},
        {"a": "2", "b": ""},
    ]
    with pytest.raises(LbtError, match=r"none\.csv: could not be read .*Run the stage `make`"):
        read_csv(tmp_path / "none.csv", ("a", "b"), dict, stage="make")
