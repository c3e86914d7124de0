"""A damaged artefact either ends in a message for the user or reads as before."""

import json
import os
import subprocess

import pytest
from clone import HERE


@pytest.mark.parametrize("damages_each", [10, pytest.param(150, marks=pytest.mark.exhaustive)])
def test_no_damage_changes_a_result_silently(finished, tmp_path, damages_each):
    clone = finished[0].copy(tmp_path / "clone")
    clone.write_settings()
    command = [clone.python, "-m", "fuzz", "results/tiny", str(damages_each)]
    environment = clone.environment | {"PYTHONPATH": os.pathsep.join((str(clone.folder), str(HERE)))}
    result = subprocess.run(command, cwd=clone.folder, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, f"crashed at: {result.stderr[-2000:]}"
    report = json.loads(result.stdout)
    assert report["wrong"] == []
    assert report["damages"] == report["refused"] + report["identical"] >= 15 * damages_each
    assert report["refused"] > report["identical"]
    assert report["identical"] > 0 or damages_each < 150  # damaged padding, and blanks in JSON
