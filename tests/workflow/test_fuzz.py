"""Damaged artefacts end in a message or change nothing."""

import json
import subprocess
import sys

from clone import HERE

DAMAGES_EACH = 150


def test_no_damage_changes_a_result_in_silence(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    clone.write_settings()
    command = [sys.executable, HERE / "fuzz.py", "results/tiny", str(DAMAGES_EACH)]
    environment = clone.environment | {"PYTHONPATH": str(clone.folder)}
    result = subprocess.run(command, cwd=clone.folder, capture_output=True, text=True, env=environment, check=False)
    assert result.returncode == 0, f"crashed at: {result.stderr[-2000:]}"
    report = json.loads(result.stdout)
    assert report["wrong"] == []
    assert report["damages"] == report["refused"] + report["identical"] >= 2000
    assert report["refused"] > report["identical"] > 0  # padding, and blanks in JSON
