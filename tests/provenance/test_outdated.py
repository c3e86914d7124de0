"""What has to be made again although Snakemake would not notice."""

import os

from lbt.files import write_text
from lbt.provenance.manifest import verify_inputs, write_manifest
from lbt.provenance.outdated import lost, stale, unrecorded


def run_stage(folder, name, inputs, text, settings=None):
    output = folder / name / "out.txt"
    write_text(output, text)
    manifest = folder / name / "manifest.json"
    read = verify_inputs(inputs)
    write_manifest(manifest, stage=name, settings=settings or {}, code="c0de", inputs=read, outputs=[output])
    return output


def test_a_clock_that_jumped_back_between_two_stages(tmp_path):
    first = run_stage(tmp_path, "first", [], "one")
    second = run_stage(tmp_path, "second", [first], "two")
    third = run_stage(tmp_path, "third", [second], "three")
    assert stale(tmp_path) == []

    run_stage(tmp_path, "first", [], "another one")
    os.utime(first, (1000, 1000))  # made an hour before the second by the clock of now
    assert stale(tmp_path) == [second]

    run_stage(tmp_path, "second", [first], "another two")
    os.utime(second, (2000, 2000))
    assert stale(tmp_path) == [third]


def test_what_times_tell_and_damaged_manifests_are_left_to_snakemake(tmp_path):
    first = run_stage(tmp_path, "first", [], "one")
    second = run_stage(tmp_path, "second", [first], "two")
    os.utime(first, (1000, 1000))
    os.utime(second, (500, 500))
    assert stale(tmp_path) == []
    run_stage(tmp_path, "first", [], "another one")
    os.utime(second, (500, 500))
    assert stale(tmp_path) == []
    for text in ("{", "[]", '{"inputs": {"../first/out.txt": 3}, "outputs": {}}', '{"inputs": {}}'):
        (tmp_path / "second" / "manifest.json").write_text(text)
        os.utime(first, (100, 100))
        assert stale(tmp_path) == []


def test_what_a_stopped_stage_has_lost(tmp_path):
    first = run_stage(tmp_path, "warmup", [], "one")
    second = run_stage(tmp_path, "round-1", [first], "two")
    run_stage(tmp_path, "round-2", [second], "three")
    second.unlink()  # weights that are not kept
    assert lost(tmp_path) == []
    (second.parent / "manifest.json").unlink()
    assert lost(tmp_path) == [second]
    second.parent.rmdir()  # a folder that was removed by hand
    assert lost(tmp_path) == []
    for file in (first, first.with_name("manifest.json")):
        file.unlink()
    assert lost(tmp_path) == []  # nothing that is there was made of it
    run_stage(tmp_path / "run", "other", [run_stage(tmp_path, "outside", [], "data")], "made of data")
    (tmp_path / "outside" / "out.txt").unlink()
    assert lost(tmp_path / "run") == []


def test_without_a_record_the_manifest_decides(tmp_path):
    wanted = run_stage(tmp_path, "wanted", [], "one", {"epochs": 2})
    other = run_stage(tmp_path, "other", [], "two", {"epochs": 3})
    run_stage(tmp_path, "gone", [], "three", {"epochs": 4}).unlink()

    def expected(manifest):
        return manifest["settings"] == {"epochs": 2}

    assert unrecorded(tmp_path, lambda file: False, expected) == [other]
    assert unrecorded(tmp_path, lambda file: file == str(other), expected) == []
    assert unrecorded(tmp_path, lambda file: False, lambda manifest: False) == [other, wanted]
