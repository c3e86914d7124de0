"""A job around its stage: files by name, inputs that change meanwhile, the lock."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from stage_calls import stage_words

from lbt.__main__ import main
from lbt.config.read import read_settings
from lbt.errors import LbtError
from lbt.files import write_text
from lbt.provenance.manifest import read_manifest
from lbt.stages import run as stage_run
from lbt.stages.run import build_files

TINY = read_settings(Path(__file__).parents[1] / "workflow" / "tiny.yaml")


@dataclass(frozen=True)
class Files:
    one: Path
    several: tuple[Path, ...]
    optional: Path | None = None


def test_files_are_built_by_name():
    found = build_files(Files, {"one": "a b", "several": ["c", "d"], "optional": []})
    assert found == Files(Path("a b"), (Path("c"), Path("d")))
    assert build_files(Files, {"one": ["a"], "several": "c", "optional": "e"}) == Files(
        Path("a"), (Path("c"),), Path("e")
    )


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"several": []}, "one: is missing"),
        ({"one": [], "several": []}, "one: is missing"),
        ({"one": "a", "several": [], "other": "b"}, "other: is unknown"),
        ({"one": "a", "several": [], "other": []}, "other: is unknown"),
        ({"one": ["a", "b"], "several": []}, "one: the stage takes one file of this name, 2 are given"),
    ],
)
def test_a_missing_or_unknown_file_is_refused(named, message):
    with pytest.raises(LbtError, match=message):
        build_files(Files, named)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a stage whose work is the given function of its input and its output; returns the exit code."""

    def run(work) -> int:
        def compute(stage, job, *_):
            work(Path(job.inputs["architecture"]), Path(job.outputs["genotype"]))

        monkeypatch.setattr(stage_run, "_compute", compute)
        outputs = {"genotype": tmp_path / "out" / "guide.json", "manifest": tmp_path / "out" / "manifest.json"}
        inputs = {"architecture": tmp_path / "in.json"}
        return main(stage_words("derive_guide", TINY, tmp_path / "log.txt", inputs=inputs, outputs=outputs))

    write_text(tmp_path / "in.json", "before")
    return run


def copy(architecture: Path, genotype: Path) -> None:
    write_text(genotype, architecture.read_text())


def test_an_input_that_is_replaced_meanwhile_is_an_error(run, tmp_path, capsys):
    def replaced(architecture, genotype):
        copy(architecture, genotype)
        write_text(architecture, "after")

    assert run(replaced) == 1
    assert "in.json: was changed or removed while this stage was at work" in capsys.readouterr().err
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_manifest_has_the_digest_of_before_the_work(run, tmp_path):
    assert run(copy) == 0
    manifest = read_manifest(tmp_path / "out" / "manifest.json")
    assert manifest["inputs"]["../in.json"]["sha256"] == manifest["outputs"]["guide.json"]["sha256"]


def test_the_lock_is_held_during_the_work(run, tmp_path):
    held = []
    assert run(lambda architecture, genotype: held.extend(path.name for path in genotype.parent.iterdir())) == 0
    assert held == [".manifest.json.lock"]
