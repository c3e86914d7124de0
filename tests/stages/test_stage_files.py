"""What `python -m lbt stage` does around a stage: inputs that change meanwhile, the lock."""

from pathlib import Path

import pytest

from lbt.__main__ import main
from lbt.commands import stage
from lbt.config.read import read_settings
from lbt.files import write_text
from lbt.provenance.manifest import read_manifest
from lbt.stages.settings import stage_settings

TINY = read_settings(Path(__file__).parents[1] / "workflow" / "tiny.yaml")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a stage whose work is the given function of its input and its output; returns the exit code."""

    def run(work) -> int:
        monkeypatch.setattr(stage, "_compute", lambda _, files: work(files["architecture"], files["output"]))
        settings = stage_settings(TINY, "derive_guide", {"seed": 0, "method": "lbt"})
        words = ["stage", "derive_guide", "--settings", settings, "--code", "c0de", "--log", str(tmp_path / "log.txt")]
        words += ["--manifest", str(tmp_path / "out" / "manifest.json")]
        words += ["--inputs", f"architecture={tmp_path / 'in.json'}"]
        return main([*words, "--outputs", f"output={tmp_path / 'out' / 'guide.json'}"])

    write_text(tmp_path / "in.json", "before")
    return run


def copy(architecture: Path, output: Path) -> None:
    write_text(output, architecture.read_text())


def test_an_input_that_is_replaced_meanwhile_is_an_error(run, tmp_path, capsys):
    def replaced(architecture, output):
        copy(architecture, output)
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
    assert run(lambda architecture, output: held.extend(path.name for path in output.parent.iterdir())) == 0
    assert held == [".manifest.json.lock"]
