"""Names of the user in the shell and in Snakemake's patterns: they are words, whatever characters they hold."""

import subprocess

import pytest
from clone import HERE, Clone, QuickClone

STRANGE = 'it\'s a "$(touch ran)" `touch ran`; touch ran'
CLONES = ["it's {a} $(touch x) ü", "a;touch x\\n", "-x [b] *?", "{{}} %s & #\n$HOME"]


def test_the_shell_runs_no_part_of_a_path(tmp_path):
    """Both the folder of the clone and `data.root` reach the shell."""
    folder = tmp_path / STRANGE
    folder.mkdir()
    clone = QuickClone(folder, HERE / "tiny.yaml")
    clone.settings["data"]["root"] = STRANGE
    result = clone.snakemake("--no-hooks", "--until", "split")
    assert result.returncode == 0, result.stderr
    assert (folder / STRANGE / "scenes.json").is_file() and (folder / STRANGE / ".manifest.json").is_file()
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.parametrize(
    "name", [CLONES[0], *(pytest.param(name, marks=pytest.mark.exhaustive) for name in CLONES[1:])]
)
def test_every_rule_runs_in_a_clone_of_any_name(tmp_path, name):
    """The stages only write their files; the first ones are run in earnest by the next test."""
    folder = tmp_path / name
    folder.mkdir()
    clone = QuickClone(folder, HERE / "tiny.yaml")
    clone.finish()
    assert (folder / "results" / "tiny" / "networks" / "lbt-seed-0" / "network.pt").is_file()
    report = clone.snakemake("--report", "report it's.html")
    assert report.returncode == 0 and (folder / "report it's.html").is_file(), report.stderr
    assert not list(tmp_path.rglob("x"))


def test_stages_run_in_a_clone_of_any_name(tmp_path):
    clone = Clone(tmp_path / CLONES[0])
    result = clone.snakemake("--until", "split")
    assert result.returncode == 0, result.stderr
    assert (clone.folder / "results" / "tiny" / "data" / "split.csv").is_file() and not list(tmp_path.rglob("x"))


@pytest.mark.exhaustive
@pytest.mark.timeout(1800)
def test_the_whole_run_in_a_clone_of_any_name(tmp_path):
    clone = Clone(tmp_path / CLONES[0])
    result = clone.snakemake()
    assert result.returncode == 0, result.stderr[-4000:]
    command = [clone.python, "-m", "lbt", "check", "tiny.yaml"]
    checked = subprocess.run(
        command, cwd=clone.folder, env=clone.environment, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "nothing" not in checked.stderr and not list(tmp_path.rglob("x"))
    assert clone.would_run() == []


def test_a_brace_in_the_root_of_the_scenes_is_refused(tmp_path):
    """The scenes are outputs, in whose names Snakemake looks for wildcards."""
    clone = Clone(tmp_path / "clone")
    clone.settings["data"]["root"] = "results/{data}"
    result = clone.snakemake("--dry-run")
    said = result.stdout + result.stderr
    assert result.returncode != 0 and "data.root: 'results/{data}' has a brace" in said and "Traceback" not in said
