"""The side file of a loop: when it is written, what it holds, when it is refused, which signals end the loop."""

import gc
import json
import math
import os
import random
import signal
import time

import pytest
import torch
from torch import nn

from lbt.errors import LbtError, Stopped
from lbt.files import remove_leftovers
from lbt.runtime import resume as module
from lbt.runtime.checkpoint import load_checkpoint, load_state, save_checkpoint, to_state
from lbt.runtime.progress import Progress
from lbt.runtime.resume import KIND, Resume
from lbt.training.optimizers import GuardedStep

IDENTITY = {"stage": "warmup", "settings": "{}", "code": "c0de", "inputs": ["1f"], "versions": {"torch": "2"}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt.resume"


def walk(resume, steps=5, stop_after=None, act=lambda step: None, log=None):
    """A loop that adds up its items; returns its total, its rows and the steps that it took."""
    total, rows, taken = torch.zeros(1, dtype=torch.float64), [], []
    draws = torch.Generator().manual_seed(0)
    parts = {"total": total, "rows": rows, "draws": draws}
    with Progress("walk", steps, log) as progress:
        for step, item in resume.steps(range(10 + resume.step, 10 + steps), parts, progress):
            taken.append((step, item))
            total += item * torch.rand(1, generator=draws, dtype=torch.float64)
            rows.append({"step": step, "total": float(total), "blank": math.nan})
            act(step)
            progress.advance()
            if step == stop_after:
                raise ZeroDivisionError
    return total, rows, taken


def stopped_at(path, step, **identity):
    """A side file that an earlier run left after `step`."""
    with pytest.raises(ZeroDivisionError):
        walk(Resume(path, IDENTITY | identity, minutes=0.0), stop_after=step)
    return path


def test_a_loop_resumes_from_its_saved_state(path, tmp_path):
    whole = walk(Resume())
    again = Resume(stopped_at(path, 3), IDENTITY)
    assert again.step == 3  # the fourth step was cut off before it was saved
    total, rows, taken = walk(again, log=tmp_path / "log.txt")
    assert torch.equal(total, whole[0]) and taken == [(3, 13), (4, 14)]
    assert json.dumps(rows) == json.dumps(whole[1])
    assert f"walk: resumes after step 3, which an earlier run saved in {path}" in (tmp_path / "log.txt").read_text()
    again.remove()
    assert not list(tmp_path.glob("*.resume"))


def test_a_loop_that_had_taken_all_its_steps_gives_its_result(path):
    whole = walk(Resume(path, IDENTITY, minutes=0.0))
    total, rows, taken = walk(Resume(path, IDENTITY))
    assert torch.equal(total, whole[0]) and len(rows) == 5 and taken == []


@pytest.mark.parametrize(
    "change",
    [{"stage": "round"}, {"settings": '{"a":1}'}, {"code": "0ld"}, {"inputs": ["2f"]}, {"versions": {"torch": "3"}}],
    ids=lambda change: next(iter(change)),
)
def test_a_file_of_another_run_is_refused_and_said_so(path, tmp_path, change):
    other = Resume(stopped_at(path, 3, **change), IDENTITY)
    assert other.step == 0
    _, rows, _ = walk(other, log=tmp_path / "log.txt")
    assert len(rows) == 5
    (key,) = change
    assert f"starts at the beginning, because {path} was made with other {key}\n" in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize("keep", [0, 10, 0.3, 0.7, 0.99])
def test_a_file_that_was_cut_off_is_refused_and_said_so(path, keep):
    content = stopped_at(path, 3).read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    damaged = Resume(path, IDENTITY)
    assert (
        damaged.step == 0 and "starts at the beginning" in damaged._saved.note and "is damaged" in damaged._saved.note
    )
    assert len(walk(damaged)[1]) == 5


@pytest.mark.parametrize("state", [{}, {"step": "x", "parts": {}}, {"step": [2], "parts": {}}, {"step": 2, "parts": 3}])
def test_a_file_without_a_state_is_refused_and_said_so(path, state):
    save_checkpoint(path, kind=KIND, identity=IDENTITY, state=state)
    assert "starts at the beginning" in Resume(path, IDENTITY)._saved.note


@pytest.mark.parametrize("parts", [{}, {"total": torch.zeros(2), "rows": "[]", "draws": torch.zeros(1)}])
def test_the_state_of_another_loop_is_a_message(path, parts):
    save_checkpoint(path, kind=KIND, identity=IDENTITY, state={"step": 2, "parts": parts})
    with pytest.raises(LbtError, match=r"checkpoint\.pt\.resume: holds no state of this loop .*Delete it"):
        walk(Resume(path, IDENTITY))


def test_another_schema_version_is_refused(path, monkeypatch):
    monkeypatch.setattr("lbt.runtime.checkpoint.SCHEMA_VERSION", 99)
    stopped_at(path, 3)
    monkeypatch.undo()
    assert "schema version 99" in Resume(path, IDENTITY)._saved.note


def test_no_flipped_byte_is_taken_for_the_truth(path):
    """PyTorch's reader looks at no checksum: a flip inside a tensor would go unseen."""
    content, draw = bytearray(stopped_at(path, 3).read_bytes()), random.Random(0)
    whole = load_checkpoint(path, kind=KIND)
    refused = 0
    for _ in range(300):
        place, bit = draw.randrange(len(content)), 1 << draw.randrange(8)
        content[place] ^= bit
        path.write_bytes(content)
        content[place] ^= bit
        try:
            found = load_checkpoint(path, kind=KIND)
        except LbtError:
            refused += 1
            continue
        assert torch.equal(found["parts"].pop("total"), whole["parts"]["total"])
        assert torch.equal(found["parts"].pop("draws"), whole["parts"]["draws"])
        assert found["parts"]["rows"] == whole["parts"]["rows"] and found["identity"] == whole["identity"]
        assert found["step"] == whole["step"]
    assert refused > 200


def test_saves_follow_the_minutes_and_no_clock_of_the_day(path, monkeypatch):
    now, saves = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: -1.0e9)
    monkeypatch.setattr(Resume, "_save", lambda self, path, step, parts: saves.append(step))

    def act(step):
        now[0] += 40.0

    walk(Resume(path, IDENTITY, minutes=1.0), steps=7, act=act)
    assert saves == [2, 4, 6]


@pytest.fixture
def default_handler():
    """Set a signal's default handler during the test, because the tests may run under nohup; returns the handler."""
    before = {}

    def install(number):
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        before[number] = signal.signal(number, default)
        return default

    yield install
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_to_stop_saves_at_the_end_of_the_step(path, number, code, default_handler):
    before = default_handler(number)
    with pytest.raises(Stopped) as caught:
        walk(Resume(path, IDENTITY), act=lambda step: step == 2 and os.kill(os.getpid(), number))
    assert caught.value.exit_code == code
    assert str(caught.value) == (
        f"walk: saved after step 3 of 5, then stopped by {number.name}. The same command resumes from there."
    )
    assert signal.getsignal(number) is before
    assert Resume(path, IDENTITY).step == 3


def test_a_warning_saves_and_the_loop_continues(path):
    seen = []

    def act(step):
        seen.append(path.exists())
        if step == 1:
            os.kill(os.getpid(), signal.SIGUSR1)

    assert len(walk(Resume(path, IDENTITY), act=act)[1]) == 5
    assert seen == [False, False, True, True, True] and Resume(path, IDENTITY).step == 2


def test_a_warning_while_the_state_is_saved_does_not_end_the_loop(path, monkeypatch):
    def warn(*_):
        os.kill(os.getpid(), signal.SIGUSR1)

    monkeypatch.setattr(Resume, "_save", warn)
    assert len(walk(Resume(path, IDENTITY, minutes=0.0))[1]) == 5


def test_handlers_are_there_during_the_loop_only(path):
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before, inside = [signal.getsignal(n) for n in numbers], []
    with pytest.raises(ZeroDivisionError):
        walk(Resume(path, IDENTITY), stop_after=1, act=lambda _: inside.append([signal.getsignal(n) for n in numbers]))
    gc.collect()
    assert [signal.getsignal(n) for n in numbers] == before and all(found != before for found in inside)
    inside.clear()
    walk(Resume(), act=lambda _: inside.append([signal.getsignal(n) for n in numbers]))
    assert inside == [before] * 5  # nothing to save to


def test_under_nohup_a_closed_terminal_ends_nothing(path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        walk(Resume(path, IDENTITY), act=lambda step: step == 2 and os.kill(os.getpid(), signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert not path.exists()


def test_counts_and_statistics_of_a_guard_travel(tmp_path):
    def guarded():
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(2)
        return norm, torch.optim.SGD(norm.parameters(), lr=0.1, fused=True), GuardedStep("weights", norm, limit=3)

    def step(norm, optimizer, guard, value):
        norm(torch.randn(2, 2, 4, 4)).sum().backward()
        return guard.apply(optimizer, {"loss": value}, 1.0)

    norm, optimizer, guard = guarded()
    for value in (1.0, math.nan, math.nan):
        step(norm, optimizer, guard, value)
    save_checkpoint(
        tmp_path / "x.pt", kind=KIND, identity={}, state={"parts": to_state({"norm": norm, "guard": guard})}
    )
    saved = load_checkpoint(tmp_path / "x.pt", kind=KIND)["parts"]
    again, other_optimizer, other = guarded()
    load_state({"norm": again, "guard": other}, saved)
    assert torch.equal(again.running_mean, norm.running_mean) and other.skipped == 2
    with pytest.raises(LbtError, match=r"3 updates in a row .* The first was at step 1 of weights: loss = nan"):
        step(again, other_optimizer, other, math.nan)  # the third in a row, counted over the stop
    assert torch.equal(again.running_mean, norm.running_mean)


def test_optimisers_that_were_read_are_written_with_the_same_bytes(tmp_path):
    def stepped(optimizer, parameter):
        parameter.grad = torch.ones(3)
        optimizer.step()
        return {"optimizer": optimizer.state_dict()}

    first, late = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([first, late], lr=0.1, momentum=0.9)
    save_checkpoint(tmp_path / "half.pt", kind=KIND, identity={}, state=stepped(optimizer, first))
    save_checkpoint(tmp_path / "whole.pt", kind=KIND, identity={}, state=stepped(optimizer, late))
    first, late = nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.SGD([first, late], lr=0.1, momentum=0.9)
    optimizer.load_state_dict(load_checkpoint(tmp_path / "half.pt", kind=KIND)["optimizer"])
    first.grad = torch.ones(3)
    save_checkpoint(tmp_path / "again.pt", kind=KIND, identity={}, state=stepped(optimizer, late))
    assert (tmp_path / "again.pt").read_bytes() == (tmp_path / "whole.pt").read_bytes()


def test_temporary_files_of_a_dead_process_are_deleted(tmp_path):
    mine = [tmp_path / f".checkpoint.pt{end}.123.partial" for end in ("", ".resume")]
    others = [tmp_path / name for name in ("checkpoint.pt", ".checkpoint.ptx.123.partial", ".other.pt.9.partial")]
    for file in (*mine, *others):
        file.touch()
    remove_leftovers([tmp_path / "checkpoint.pt"])
    remove_leftovers([tmp_path / "absent" / "checkpoint.pt"])
    assert sorted(tmp_path.iterdir()) == sorted(others)
