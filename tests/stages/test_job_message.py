"""What a job leaves beside its log, and which retries it ends at once."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from stage_calls import stage_words

from lbt.__main__ import main
from lbt.config import Settings
from lbt.errors import LbtError, Stopped
from lbt.stages.job_message import (
    DEFECT,
    KILLED,
    REFUSED,
    RUNNING,
    STOPPED,
    JobMessage,
    describe_job,
    find_messages,
    leave_message,
    message_file,
    read_message,
    refuse_repetition,
    write_message,
)


def left_by(log, error):
    with pytest.raises(type(error)), leave_message(log, "a job"):
        raise error
    return read_message(message_file(log))


def killed_process():
    error = LbtError("Process 1 of 2 ended without a message (SIGKILL).")
    error.exit_code = 137
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LbtError("no images"), REFUSED),
        (Stopped("saved", signal.SIGTERM), STOPPED),
        (killed_process(), STOPPED),
        (KeyboardInterrupt(), STOPPED),
        (ValueError("a defect"), DEFECT),
        (MemoryError(), DEFECT),
    ],
)
def test_the_kind_of_a_failure(tmp_path, monkeypatch, error, kind):
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    message = left_by(tmp_path / "a.log", error)
    assert (message.kind, message.job, message.slurm_job, message.pid) == (kind, "a job", "12", os.getpid())
    refused = kind == REFUSED
    for job in ("a job", "another"):
        try:
            refuse_repetition(tmp_path / "a.log", job)
        except LbtError as again:
            assert refused and job == "a job" and str(again) == str(error)
        else:
            assert not refused or job == "another"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore about the GPU"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 30 bytes"),
    ],
)
def test_what_to_do_where_memory_ran_out_is_in_the_message_and_the_job_may_be_tried_again(tmp_path, error):
    log = tmp_path / "a.log"
    message = left_by(log, error)
    assert message.kind == DEFECT and message.text.startswith("Memory ran out: lower the batch size")
    refuse_repetition(log, "a job")


def test_a_job_at_work_says_so_until_it_ends(tmp_path):
    log = tmp_path / "a.log"
    with leave_message(log, "a job"):
        (message,) = find_messages(tmp_path).values()
        assert (message.kind, message.text) == (RUNNING, KILLED)
        refuse_repetition(log, "a job")  # it was killed, such as for want of memory
    assert find_messages(tmp_path) == {}


@pytest.mark.parametrize(
    ("state", "refused"), [("CANCELLED", True), ("TIMEOUT", False), ("OUT_OF_MEMORY", False), ("NODE_FAIL", False)]
)
@pytest.mark.parametrize("kind", [RUNNING, STOPPED])
def test_only_a_cancelled_job_is_not_tried_again(tmp_path, state, refused, kind):
    log = tmp_path / "a.log"
    write_message(log, JobMessage(kind=kind, job="a job", slurm_job="12", slurm_state=state))
    if refused:
        with pytest.raises(LbtError, match="Slurm job 12 was cancelled, so its retry does not start"):
            refuse_repetition(log, "a job")
    else:
        refuse_repetition(log, "a job")


def test_a_changed_input_makes_another_job(tmp_path):
    path = tmp_path / "input"
    description = json.dumps({"inputs": {"a": str(path), "b": [str(path)]}})
    missing = describe_job(description)
    path.write_text("1")
    one = describe_job(description)
    os.utime(path, ns=(1, 1))
    assert len({missing, one, describe_job(description), describe_job(description + " ")}) == 4


def test_a_retry_ends_before_pytorch_is_imported(tmp_path, monkeypatch, capsys):
    outputs = {"manifest": tmp_path / ".manifest.json", "split": tmp_path / "split.csv"}
    words = stage_words("split", Settings(), tmp_path / "split.log", inputs={}, outputs=outputs)
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--attempt", "1"]) == 1
    message = capsys.readouterr().err
    program = "import sys; from lbt.__main__ import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    retry = [sys.executable, "-c", program, *words, "--attempt", "2"]
    done = subprocess.run(retry, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("1 False\n", message)
    write_message(tmp_path / "split.log", replace(left_by(tmp_path / "b.log", LbtError("of before")), job=""))
    assert main([*words, "--attempt", "1"]) == 1  # a new start tries in earnest
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    "content", ["", "no JSON", "[1]", '{"text": 1, "pid": "x"}', "\x1b[2J", '{"text": "\\u001b[2J"}']
)
def test_any_content_of_the_file_is_read(tmp_path, content):
    (tmp_path / "a.error").write_text(content)
    message = read_message(tmp_path / "a.error")
    assert message.text and "\x1b" not in message.text and message.pid == 0
