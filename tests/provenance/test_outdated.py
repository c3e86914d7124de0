"""Outdated results that Snakemake takes for current."""

import os
import shlex

import pytest

from lbt.files import write_text
from lbt.provenance.manifest import verify_inputs, write_manifest
from lbt.provenance.outdated import describe_outdated, find_outdated


def run_stage(folder, name, inputs, text, settings=None):
    output = folder / name / "out.txt"
    write_text(output, text)
    manifest = folder / name / ".manifest.json"
    read = verify_inputs(inputs)
    write_manifest(manifest, stage=name, settings=settings or {}, code="c0de", inputs=read, outputs=[output])
    return output


def no_changes(manifest):
    return []


@pytest.fixture
def chain(tmp_path):
    """Three stages, each made from the one before it."""
    first = run_stage(tmp_path, "first", [], "one")
    second = run_stage(tmp_path, "second", [first], "two")
    return first, second, run_stage(tmp_path, "third", [second], "three")


def test_an_input_with_other_content_is_found_whatever_the_times_say(tmp_path, chain):
    first, second, third = chain
    assert find_outdated(tmp_path, no_changes) == {}
    run_stage(tmp_path, "first", [], "another one")
    os.utime(first, (1000, 1000))  # the clock was an hour back
    assert find_outdated(tmp_path, no_changes) == {second.with_name(".manifest.json"): "made from another out.txt"}
    run_stage(tmp_path, "second", [first], "another two")
    assert find_outdated(tmp_path, no_changes) == {third.with_name(".manifest.json"): "made from another out.txt"}


def test_a_changed_stage_is_listed_and_those_that_follow_it_are_not(tmp_path, chain):
    def changes(manifest):
        return ["settings", "code"] if manifest.stage in ("first", "second") else []

    outdated = find_outdated(tmp_path, changes)
    assert outdated == {tmp_path / "first" / ".manifest.json": "made with other settings, code"}
    text = describe_outdated(outdated, ["--configfile", "config/tiny.yaml"])
    assert f"{tmp_path}/first: made with other settings, code" in text
    assert text.endswith(f"--configfile config/tiny.yaml --forcerun {tmp_path}/first/.manifest.json")
    assert describe_outdated({}, ["--configfile", "config/tiny.yaml"]) == ""
    both = {tmp_path / name: "made with other code" for name in (".manifest.json", ".manifest-networks.json")}
    assert describe_outdated(both, []).count(f"  {tmp_path}: made with other code\n") == 1


def test_the_command_is_safe_to_paste(tmp_path):
    first = run_stage(tmp_path / "a run; touch x $(y)", "first", [], "one")
    text = describe_outdated(find_outdated(tmp_path, lambda manifest: ["code"]), ["--configfile", "my settings.yaml"])
    words = shlex.split(text.splitlines()[-1])
    assert words[-4:] == ["--configfile", "my settings.yaml", "--forcerun", str(first.with_name(".manifest.json"))]


def test_a_manifest_that_cannot_be_read_is_named(tmp_path, chain):
    path = tmp_path / "second" / ".manifest.json"
    for text in ("{", "[]", '{"inputs": {"../first/out.txt": 3}, "outputs": {}}', '{"schema_version": 2}'):
        path.write_text(text)
        assert find_outdated(tmp_path, no_changes) == {path: "its manifest cannot be read"}


def test_a_job_that_the_run_does_not_have_is_not_named(tmp_path, chain):
    run_stage(tmp_path, "first", [], "another one")
    assert find_outdated(tmp_path, lambda manifest: None) == {}
