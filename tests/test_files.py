"""Whole or absent: atomic writes, manifests and checkpoints under faults."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch

from lbt import files as artifacts
from lbt.errors import LbtError
from lbt.files import atomic_path, canonical_json, digest, read_csv, write_json, write_text
from lbt.provenance.manifest import require_unchanged, verify_inputs, write_manifest
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


def test_json_refuses_nan():
    with pytest.raises(ValueError, match="JSON"):
        canonical_json({"x": float("nan")})


def test_digest_ignores_the_order_of_keys_only():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1, "b": 2}) != digest({"a": 1, "b": 2.5})


@pytest.fixture
def stage_folder(tmp_path):
    (tmp_path / "out").mkdir()
    write_text(tmp_path / "in.csv", "input")
    output = tmp_path / "out" / "table.csv"
    write_text(output, "output")
    write_manifest(
        tmp_path / "out" / "manifest.json",
        stage="latency",
        settings={"a": 1},
        code="c0de",
        inputs=verify_inputs([tmp_path / "in.csv"]),
        outputs=[output],
    )
    return tmp_path


def test_a_manifest_names_settings_code_versions_and_digests(stage_folder):
    manifest = json.loads((stage_folder / "out" / "manifest.json").read_text())
    assert manifest["settings"] == {"a": 1} and manifest["code"] == "c0de"
    assert set(manifest["inputs"]) == {"../in.csv"}  # relative: the folder may move
    assert len(manifest["outputs"]["table.csv"]["sha256"]) == 64
    assert manifest["versions"]["torch"] == torch.__version__.split("+")[0]


def test_an_input_that_changed_after_its_stage_is_refused(stage_folder):
    output = stage_folder / "out" / "table.csv"
    verify_inputs([output, stage_folder / "in.csv"])
    output.write_text("0utput")
    with pytest.raises(LbtError, match=r"table\.csv: its content differs"):
        verify_inputs([output])
    output.unlink()
    with pytest.raises(LbtError, match=r"table\.csv: is missing"):
        verify_inputs([output])


def test_another_schema_version_is_refused(stage_folder):
    path = stage_folder / "out" / "manifest.json"
    write_json(path, json.loads(path.read_text()) | {"schema_version": 99})
    with pytest.raises(LbtError, match="schema version 99"):
        verify_inputs([stage_folder / "out" / "table.csv"])


@pytest.mark.parametrize("change", [{"outputs": None}, {"code": "beef"}, {"digest": "0" * 16}, {"more": 1}])
def test_a_damaged_manifest_is_named(stage_folder, change):
    path = stage_folder / "out" / "manifest.json"
    write_json(path, json.loads(path.read_text()) | change)
    with pytest.raises(LbtError, match=r"manifest\.json: is damaged"):
        verify_inputs([stage_folder / "out" / "table.csv"])


@pytest.mark.parametrize("name", ["../../victim", "/victim", "a/../../victim"])
def test_a_manifest_that_lists_outputs_outside_of_its_folder_is_refused(stage_folder, name):
    path = stage_folder / "out" / "manifest.json"
    content = json.loads(path.read_text())
    content["outputs"][name] = content["outputs"]["table.csv"]
    del content["digest"]
    write_json(path, content | {"digest": digest(content)})
    with pytest.raises(LbtError, match=r"manifest\.json: lists outputs outside of its folder"):
        verify_inputs([stage_folder / "out" / "table.csv"])


def test_an_input_that_changes_during_its_stage_is_refused(stage_folder):
    file, new = stage_folder / "in.csv", stage_folder / "new.csv"
    read = verify_inputs([file])
    os.utime(file)
    require_unchanged(read)  # another time of the same content
    new.write_text("other")
    os.replace(new, file)
    with pytest.raises(LbtError, match=r"in\.csv: was changed or removed while this stage"):
        require_unchanged(read)
    file.unlink()
    with pytest.raises(LbtError, match=r"in\.csv: was changed or removed while this stage"):
        require_unchanged(read)


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
