"""What a failed run says last."""

import multiprocessing
import os
import signal

import pytest

from lbt import __main__ as command_line
from lbt.errors import LbtError
from lbt.stages.failure_summary import describe_failures
from lbt.stages.job_message import (
    NOT_STARTED,
    RUNNING,
    STOPPED,
    JobMessage,
    forget_messages,
    leave_message,
    write_message,
)

COMMAND = "snakemake --cores 8 --profile slurm"


def fail(folder, text, name="round"):
    with pytest.raises(LbtError), leave_message(folder / f"{name}.log"):
        raise LbtError(*text.splitlines())


def summary(folder):
    return describe_failures(folder, COMMAND, "run.log")


def test_the_message_the_log_and_the_command(tmp_path):
    fail(tmp_path, "data: 2 problems\n  a.png: is damaged\n  b.png: is missing")
    assert summary(tmp_path) == (
        "\n1 job failed.\n\nround\n  data: 2 problems\n    a.png: is damaged\n    b.png: is missing\n"
        f"  log: {tmp_path}/round.log\n\nSnakemake's log: run.log\n"
        f"Fix the cause and repeat the command; finished results are kept:\n  {COMMAND}\n"
    )


def test_a_long_message_is_cut_and_says_so(tmp_path):
    fail(tmp_path, "40 problems\n" + "".join(f"  {i}.png\n" for i in range(40)))
    text = summary(tmp_path)
    assert "10.png" in text and "11.png" not in text and "... and 29 more lines in the log" in text


def killed(log):
    with leave_message(log):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_job_is_listed_although_it_left_no_message(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=killed, args=(tmp_path / "warmup.log",))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert "warmup\n  It ended without a message. It was killed, possibly because memory" in summary(tmp_path)


def test_a_job_that_succeeds_and_a_new_run_leave_no_message(tmp_path):
    fail(tmp_path, "out of luck")
    fail(tmp_path, "out of luck", name="warmup")
    with leave_message(tmp_path / "round.log"):
        pass
    assert "1 job failed.\n\nwarmup\n" in summary(tmp_path)
    forget_messages(tmp_path)
    assert summary(tmp_path).startswith("\nThe run was stopped, or a job could not be started.\n\nSnakemake's log")


def test_a_log_that_cannot_be_written_hides_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    fail(tmp_path / "file", "the error itself")


def test_a_defect_leaves_its_traceback_in_the_log_and_a_message(tmp_path, monkeypatch, capsys):
    def defect(**job):
        return [][1]

    monkeypatch.setattr(command_line.stage, "Job", defect)
    log = tmp_path / "split.log"
    assert command_line.main(["stage", "split", "--job", '{"settings": {}}', "--log", str(log)]) == 1
    error = f"lbt stage: IndexError: list index out of range. The traceback is in {log}.\n"
    assert capsys.readouterr().err == error
    assert log.read_text().startswith("Traceback (most recent call last):") and "return [][1]" in log.read_text()
    text = summary(tmp_path)
    assert "split\n  IndexError: list index out of range\n" in text and "Traceback" not in text


@pytest.mark.parametrize(
    ("kind", "state", "first", "second"),
    [
        (
            RUNNING,
            "OUT_OF_MEMORY",
            "Slurm job 7 ended as OUT_OF_MEMORY: it used more memory than it",
            "log",
        ),
        (RUNNING, "NODE_FAIL", "Slurm job 7 ended as NODE_FAIL: its node was lost. Repeat the command.", "log"),
        (RUNNING, "PREEMPTED", "Slurm job 7 ended as PREEMPTED: a job with a higher priority", "log"),
        (STOPPED, "TIMEOUT", "Slurm job 7 ended as TIMEOUT: its time limit was reached. Raise `runtime`", "its words"),
        (STOPPED, "CANCELLED", "Slurm job 7 ended as CANCELLED: it was cancelled (scancel).", "its words"),
        (NOT_STARTED, "FAILED", "its words", "log"),
    ],
)
def test_the_state_that_slurm_gives_comes_first(tmp_path, kind, state, first, second):
    write_message(tmp_path / "round.log", JobMessage("its words", kind, slurm_job="7", slurm_state=state))
    lines = summary(tmp_path).splitlines()
    assert lines[4].startswith(f"  {first}") and lines[5].startswith(f"  {second}")
