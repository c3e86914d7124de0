"""The state of a run in a terminal: its networks, and lines that are wrapped below their title."""

from pathlib import Path

import pytest

from lbt.views.best_network import FinishedNetwork, Found
from lbt.views.run_state import FINISHED, RUNNING, RunState
from lbt.views.status_text import make_console, show_state


@pytest.mark.parametrize(("state", "mark"), [(FINISHED, " - the best"), (RUNNING, " - the best so far")])
def test_the_best_network_is_marked_and_wrapped_lines_stay_below_their_title(capsys, monkeypatch, state, mark):
    monkeypatch.setenv("COLUMNS", "60")
    both = (("lbt", 0.5), ("random", 0.4))
    networks = [FinishedNetwork(name, 0, {"miou": miou}, {"fps": 50.0}, Path(), Path()) for name, miou in both]
    done = RunState(state, "Snakemake works.", 0.0, 0.0, 9, 9, warnings=["word " * 20])
    make_console().print(show_state(Path("run"), done, Found(networks, (), None), "1 MB"))
    listed = capsys.readouterr().out.partition("networks\n")[2].partition("\ndisk")[0]
    lines = [line.rstrip() for line in listed.splitlines() if line.strip() and line.strip() != "warnings"]
    assert lines[0] == f"  lbt, seed 0: mIoU 50.0 %, 50.0 FPS{mark}" and lines[1].endswith("mIoU 40.0 %, 50.0 FPS")
    assert len(lines) >= 6 and all(line.startswith("  ") and len(line) <= 60 for line in lines)
