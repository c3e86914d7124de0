"""What a rerun replaces comes back if the rerun is stopped and not wanted any more."""

import os

import pytest

from lbt.files import write_text
from lbt.provenance import earlier
from lbt.provenance.earlier import bring_back, forget, keep
from lbt.provenance.manifest import read_manifest, verify_inputs, write_manifest


def run_stage(folder, inputs, epochs):
    """A stage with two outputs; its settings are a number of epochs."""
    outputs = [folder / "out.txt", folder / "pictures" / "one.txt"]
    read = verify_inputs(inputs)
    for output in outputs:
        write_text(output, f"{output.name} of {epochs}, {[file.sha256 for file in read.values()]}")
    settings = {"epochs": epochs}
    write_manifest(
        folder / "manifest.json", stage="warmup", settings=settings, code="c0de", inputs=read, outputs=outputs
    )
    return outputs[0]


def wanted(*epochs):
    """What a run expects of its manifests: one of these numbers of epochs."""
    return lambda manifest: manifest["settings"]["epochs"] in epochs


def state(*files):
    return [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]


def stop(folder):
    """As Snakemake begins a rerun: declared outputs are deleted."""
    for name in ("out.txt", "pictures/one.txt", "manifest.json"):
        (folder / name).unlink(missing_ok=True)
    (folder / "pictures").rmdir()


@pytest.fixture
def run(tmp_path):
    first = run_stage(tmp_path / "run" / "first", [], 1)
    run_stage(tmp_path / "run" / "second", [first], 2)
    for path in (tmp_path / "run").rglob("*.*"):
        os.utime(path, ns=(10**18, 10**18))
    return tmp_path / "run"


def test_both_come_back_with_their_times(run):
    files = sorted(path for path in run.rglob("*") if path.is_file())
    before = state(*files)
    for name in ("first", "second"):
        keep(run / name / "manifest.json")
        stop(run / name)
    assert bring_back(run, wanted(9, 2)) == []  # the second was made of the first, which is gone
    back = bring_back(run, wanted(1, 2))
    assert sorted(back) == files and state(*files) == before
    assert sorted(path for path in run.rglob("*") if path.is_file()) == files


def test_what_is_not_wanted_waits_for_another_time(run):
    keep(run / "first" / "manifest.json")
    stop(run / "first")
    assert bring_back(run, wanted(7)) == []
    assert not (run / "first" / "out.txt").exists()
    keep(run / "first" / "manifest.json")  # another start with settings that are not those of before
    assert len(bring_back(run, wanted(1))) == 3


def test_a_rerun_that_ended_forgets(run):
    manifest = run / "first" / "manifest.json"
    keep(manifest)
    stop(run / "first")
    run_stage(run / "first", [], 7)
    forget(manifest)
    assert bring_back(run, wanted(1)) == []
    assert read_manifest(manifest)["settings"] == {"epochs": 7}


def test_a_rerun_that_did_not_begin_leaves_nothing(run):
    keep(run / "first" / "manifest.json")
    assert bring_back(run, wanted(1)) == []
    assert not [path for path in run.rglob("*") if "earlier" in path.name]


def test_half_of_a_rerun_is_replaced(run):
    keep(run / "first" / "manifest.json")
    stop(run / "first")
    write_text(run / "first" / "out.txt", "new")
    before = (run / "first" / "out.txt").read_bytes()
    bring_back(run, wanted(1))
    assert (run / "first" / "out.txt").read_bytes() != before
    verify_inputs([run / "first" / "out.txt", run / "first" / "pictures" / "one.txt"])


def test_other_inputs_keep_it_from_coming_back(run):
    keep(run / "second" / "manifest.json")
    stop(run / "second")
    run_stage(run / "first", [], 7)
    assert bring_back(run, wanted(2)) == []


def test_a_stage_that_outlived_its_run_is_not_disturbed(run, monkeypatch):
    keep(run / "first" / "manifest.json")
    stop(run / "first")
    with monkeypatch.context() as patch:
        patch.setattr(earlier, "held", lambda manifest: manifest == run / "first" / "manifest.json")
        assert bring_back(run, wanted(1)) == []
    assert len(bring_back(run, wanted(1))) == 3


def test_what_is_damaged_does_not_come_back(run):
    keep(run / "first" / "manifest.json")
    stop(run / "first")
    kept = next(path for path in run.rglob("0") if "earlier" in path.parent.name)
    kept.write_text("damaged")
    assert bring_back(run, wanted(1)) == []


def test_weights_that_were_removed_stay_so(run):
    (run / "first" / "out.txt").unlink()
    keep(run / "first" / "manifest.json")
    (run / "first" / "manifest.json").unlink()
    write_text(run / "first" / "out.txt", "of the rerun")
    assert len(bring_back(run, wanted(1))) == 2
    assert not (run / "first" / "out.txt").exists()


def test_a_damaged_manifest_is_not_kept(run):
    (run / "first" / "manifest.json").write_text("{}")
    keep(run / "first" / "manifest.json")
    assert not [path for path in run.rglob("*") if "earlier" in path.name]
