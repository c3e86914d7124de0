"""What a progress line says is read back from it; a log that cannot be written is named."""

from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.runtime.progress import Progress, read_step


def test_a_line_is_read_back(tmp_path, capsys):
    with Progress("search lbt: seed-0", 3, tmp_path / "log.txt", interval=0.0) as progress:
        progress.advance(loss=0.51234, norm=float("nan"))
        progress.note("step 1/2 was skipped")
        progress.advance()
    first, note, second = map(read_step, (tmp_path / "log.txt").read_text().splitlines())
    assert note is None
    assert (first.step, first.total, dict(first.values)) == (1, 3, {"loss": "0.5123", "norm": "nan"})
    assert (second.step, dict(second.values), second.elapsed) == (2, {}, 0.0)
    assert "step 1/3" not in capsys.readouterr().err  # the log has it


def test_without_a_log_the_lines_are_shown(capsys):
    with Progress("predict", 1) as progress:
        progress.advance()
    assert read_step(capsys.readouterr().err.strip()).step == 1


@pytest.mark.parametrize(
    "line", ["", "round finished after 3.0 s", "a: step 1/", "a: step 1/2  loss  0 s elapsed, 1 s left"]
)
def test_other_lines_are_none(line):
    assert read_step(line) is None


def test_an_unwritable_log_gives_a_message():
    if not Path("/dev/full").exists():
        pytest.skip("needs Linux")
    with pytest.raises(LbtError, match="/dev/full: could not be written"), Progress("stage", 2, Path("/dev/full")) as p:
        p.advance()
