"""A job around its stage: files by name, inputs that change meanwhile, the lock, the saved state."""

import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from stage_calls import stage_words

from lbt.__main__ import main
from lbt.config.read import read_settings
from lbt.data.splits import read_split
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
    "named",
    [
        {"several": []},
        {"one": [], "several": []},
        {"one": "a", "several": [], "other": "b"},
        {"one": "a", "several": [], "other": []},
        {"one": ["a", "b"], "several": []},
    ],
)
def test_a_rule_with_other_files_is_a_defect(named):
    with pytest.raises((TypeError, KeyError, ValueError)):
        build_files(Files, named)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a stage whose work is the given function of its input and its output; returns the exit code."""

    def run(work) -> int:
        def compute(stage, job, *_):
            work(Path(job.inputs["architecture"]), Path(job.outputs["genotype"]))

        monkeypatch.setattr(stage_run, "_compute", compute)
        outputs = {"genotype": tmp_path / "out" / "guide.json", "manifest": tmp_path / "out" / ".manifest.json"}
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
    assert "in.json: was changed or removed while this stage read it" in capsys.readouterr().err
    assert not (tmp_path / "out" / ".manifest.json").exists()


def test_the_manifest_has_the_digest_of_before_the_work(run, tmp_path):
    assert run(copy) == 0
    manifest = read_manifest(tmp_path / "out" / ".manifest.json")
    assert manifest.inputs["../in.json"] == manifest.outputs["guide.json"]


PLANTED = {
    "out/guide.json": 0,
    "out/.manifest.json": 0,
    "out/.manifest.json.lock": 1,
    "out/.guide.json.PID.partial": 0,
    "out/.guide.json.1.partial": 0,
    "log.txt": 0,
    "log.error": 0,
}
"""Files that a stage writes, and its exit code if a stranger has made a link of one."""


@pytest.mark.parametrize("plant", [Path.symlink_to, Path.hardlink_to])
@pytest.mark.parametrize("name", PLANTED)
def test_no_link_of_a_stranger_is_followed(run, tmp_path, name, plant):
    victim, link = tmp_path / "victim", tmp_path / name.replace("PID", str(os.getpid()))
    victim.write_text("as it was")
    link.parent.mkdir(exist_ok=True)
    plant(link, victim)
    assert run(copy) == PLANTED[name]
    assert victim.read_text() == "as it was"


def test_the_lock_is_held_during_the_work(run, tmp_path):
    held = []
    assert run(lambda architecture, genotype: held.extend(path.name for path in genotype.parent.iterdir())) == 0
    assert held == [".manifest.json.lock"]


def test_a_stage_is_told_the_digest_of_settings_that_its_manifest_has(tmp_path, monkeypatch):
    told = {}

    @dataclass(frozen=True)
    class Genotypes:
        architecture: Path
        genotype: Path

    def run(settings, files, *, settings_digest, code):
        told.update(seed=settings.seed, digest=settings_digest, code=code)
        copy(files.architecture, files.genotype)

    monkeypatch.setattr(stage_run, "import_module", lambda name: SimpleNamespace(Files=Genotypes, run=run))
    write_text(tmp_path / "in.json", "content")
    outputs = {"genotype": tmp_path / "guide.json", "manifest": tmp_path / ".manifest.json"}
    inputs = {"architecture": tmp_path / "in.json"}
    assert main(stage_words("derive_guide", TINY, tmp_path / "log", inputs=inputs, outputs=outputs, seed=5)) == 0
    manifest = read_manifest(tmp_path / ".manifest.json")
    assert told == {"seed": 5, "digest": manifest.settings_digest, "code": manifest.code}
    assert manifest.settings["seed"] == 5


@pytest.fixture
def identity(tiny, tmp_path, monkeypatch):
    """What the saved state of a warm-up belongs to, given a split, changed settings and the code."""
    found = []

    def compute(stage, job, settings, resume, log):
        found.append(resume.identity)

    def run(split=tiny.split, code="c0de", **sections):
        settings = tiny.settings.model_copy(update=sections)
        outputs = {name: tmp_path / name for name in ("checkpoint", "metrics", "manifest")}
        words = stage_words("warmup", settings, tmp_path / "log", inputs={"split": split}, outputs=outputs, code=code)
        assert main(words) == 0
        return found[-1]

    monkeypatch.setattr(stage_run, "_compute", compute)
    return run


def test_saved_state_belongs_to_its_settings_code_inputs_and_images(tiny, identity, tmp_path):
    first = identity()

    def changed(**values) -> set[str]:
        other = identity(**values)
        return {name for name in first if other[name] != first[name]}

    assert changed() == set()
    assert changed(code="0ther") == {"code"}
    assert changed(warmup=tiny.settings.warmup.model_copy(update={"epochs": 9.0})) == {"settings"}
    assert changed(compute=tiny.settings.compute.model_copy(update={"workers": 3})) == set()
    (tmp_path / "split.csv").write_text(tiny.split.read_text() + "\n")
    assert changed(split=tmp_path / "split.csv") == {"inputs"}
    for role, parts in {"teacher_train": {"images"}, "evaluation": set()}.items():
        image = Path(tiny.settings.data.root) / read_split(tiny.split, role)[0].image
        times = image.stat()
        os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
        assert changed() == parts, role
        os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
