"""Manifests: what they record, and those that are refused."""

import json
import os

import pytest
import torch

from lbt.errors import LbtError
from lbt.files import digest, write_json, write_text
from lbt.provenance.manifest import require_unchanged, verify_inputs, write_manifest


@pytest.fixture
def stage_folder(tmp_path):
    (tmp_path / "out").mkdir()
    write_text(tmp_path / "in.csv", "input")
    output = tmp_path / "out" / "table.csv"
    write_text(output, "output")
    write_manifest(
        tmp_path / "out" / ".manifest.json",
        stage="latency",
        settings={"a": 1},
        code="c0de",
        inputs=verify_inputs([tmp_path / "in.csv"]),
        outputs=[output],
    )
    return tmp_path


def test_a_manifest_names_settings_code_versions_and_digests(stage_folder):
    manifest = json.loads((stage_folder / "out" / ".manifest.json").read_text())
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
    path = stage_folder / "out" / ".manifest.json"
    write_json(path, json.loads(path.read_text()) | {"schema_version": 99})
    with pytest.raises(LbtError, match="schema version 99"):
        verify_inputs([stage_folder / "out" / "table.csv"])


@pytest.mark.parametrize("change", [{"outputs": None}, {"code": "beef"}, {"digest": "0" * 16}, {"more": 1}])
def test_a_damaged_manifest_is_named(stage_folder, change):
    path = stage_folder / "out" / ".manifest.json"
    write_json(path, json.loads(path.read_text()) | change)
    with pytest.raises(LbtError, match=r"manifest\.json: is damaged"):
        verify_inputs([stage_folder / "out" / "table.csv"])


def signed(path, **changes):
    """Change a manifest so that its digest fits."""
    content = json.loads(path.read_text()) | changes
    del content["digest"]
    write_json(path, content | {"digest": digest(content)})


FILE = {"sha256": "0" * 64, "bytes": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(({"outputs": {n: FILE}}, "leads out of its folder") for n in ("../../x", "/x", "a/../../x")),
        ({"outputs": {"a\0b": FILE}}, "control character"),
        ({"outputs": None}, "outputs: Input should be a valid dict"),
        ({"outputs": {"a": {"sha256": "0" * 64}}}, r"outputs\.a\.bytes: Field required"),
        ({"outputs": {"a": FILE | {"bytes": -1}}}, r"outputs\.a\.bytes: Input should be greater"),
        ({"outputs": {"a": FILE | {"bytes": 1.5}}}, r"outputs\.a\.bytes: Input should be a valid int"),
        ({"inputs": {"a": FILE | {"sha256": "x"}}}, r"inputs\.a\.sha256: String should match"),
        ({"inputs": []}, "inputs: Input should be a valid dict"),
        ({"stage": 3}, "stage: Input should be a valid string"),
        ({"versions": {"torch": 2}}, r"versions\.torch: Input should be a valid string"),
        ({"code": None}, "code: Input should be a valid string"),
        ({"more": 1}, "more: Extra inputs"),
        ({"schema_version": 3.5}, r"schema version 3\.5"),
        ({"schema_version": [[]]}, r"schema version \[\[\]\]"),
    ],
)
def test_a_manifest_of_another_form_is_refused(stage_folder, change, message):
    signed(stage_folder / "out" / ".manifest.json", **change)
    with pytest.raises(LbtError, match=rf"manifest\.json: .*{message}.* [Rr]erun its stage\."):
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
    file.mkdir()
    with pytest.raises(LbtError, match=r"in\.csv: was changed or removed while this stage"):
        require_unchanged(read)
