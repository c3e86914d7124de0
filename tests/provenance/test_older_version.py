"""Results of an older version, whose manifests were no hidden files, are named and not taken for absent."""

import pytest

from lbt.__main__ import main
from lbt.config import Settings
from lbt.provenance.older_version import refuse_older
from lbt.stages.preconditions import find_obstacles


@pytest.mark.parametrize("command", ["check", "show", "status"])
def test_a_command_says_what_to_do(tmp_path, capsys, command):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".manifest-check.json").write_text("{}")
    refuse_older(tmp_path)
    (tmp_path / "data" / "manifest-check.json").write_text("{}")
    assert main([command, str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path}: holds results of an older version of lbt (data/manifest-check.json is not where" in said


def test_a_start_does_not_replace_them(tmp_path):
    settings = Settings(run=tmp_path.name)
    assert not any("older" in str(problem) for problem in find_obstacles(settings, tmp_path))
    (tmp_path / "latency").mkdir()
    (tmp_path / "latency" / "manifest.json").write_text("{}")
    (problem,) = (problem for problem in find_obstacles(settings, tmp_path) if "older" in str(problem))
    assert str(problem).startswith("run: ") and "write another `run:`" in str(problem)
