"""What was made of another input is exposed although its time is later."""

import os

from lbt.artifacts import write_manifest, write_text
from lbt.stale import expose_stale, undone


def run_stage(folder, name, inputs, text):
    output = folder / name / "out.txt"
    write_text(output, text)
    manifest = folder / name / "manifest.json"
    write_manifest(manifest, stage=name, settings={}, code="c0de", inputs=inputs, outputs=[output])
    return output


def times(*files):
    return [file.stat().st_mtime for file in files]


def test_a_clock_that_jumped_back_between_two_stages(tmp_path):
    first = run_stage(tmp_path, "first", [], "one")
    second = run_stage(tmp_path, "second", [first], "two")
    third = run_stage(tmp_path, "third", [second], "three")
    assert expose_stale(tmp_path) == []

    run_stage(tmp_path, "first", [], "another one")
    os.utime(first, (1000, 1000))  # made an hour before the second by the clock of now
    assert expose_stale(tmp_path) == [second]
    assert times(first, second) == [1000, 999] and times(third)[0] > 1000
    assert expose_stale(tmp_path) == []

    run_stage(tmp_path, "second", [first], "another two")
    os.utime(second, (2000, 2000))
    assert expose_stale(tmp_path) == [third]


def test_new_times_and_damaged_manifests_expose_nothing(tmp_path):
    first = run_stage(tmp_path, "first", [], "one")
    second = run_stage(tmp_path, "second", [first], "two")
    os.utime(first, (1000, 1000))
    os.utime(second, (500, 500))
    assert expose_stale(tmp_path) == [] and times(second) == [500]
    run_stage(tmp_path, "first", [], "another one")
    for text in ("{", "[]", '{"inputs": {"../first/out.txt": 3}, "outputs": {}}', '{"inputs": {}}'):
        (tmp_path / "second" / "manifest.json").write_text(text)
        os.utime(first, (1000, 1000))
        assert expose_stale(tmp_path) == []


def test_what_a_stopped_stage_has_lost_is_undone(tmp_path):
    first = run_stage(tmp_path, "warmup", [], "one")
    second = run_stage(tmp_path, "round-1", [first], "two")
    run_stage(tmp_path, "round-2", [second], "three")
    second.unlink()  # weights that are not kept
    assert undone(tmp_path) == []
    (second.parent / "manifest.json").unlink()
    assert undone(tmp_path) == [second]
    second.parent.rmdir()  # a folder that was removed by hand
    assert undone(tmp_path) == []
    for file in (first, first.with_name("manifest.json")):
        file.unlink()
    assert undone(tmp_path) == []  # nothing that is there was made of it
    run_stage(tmp_path / "run", "other", [run_stage(tmp_path, "outside", [], "data")], "made of data")
    (tmp_path / "outside" / "out.txt").unlink()
    assert undone(tmp_path / "run") == []
