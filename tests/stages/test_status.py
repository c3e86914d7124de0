"""`python -m lbt status RUN`."""

import json
import os
import socket

import pytest

from lbt.__main__ import main
from lbt.stages import status
from lbt.stages.failure_summary import describe_failures
from lbt.stages.job_message import REFUSED, RUNNING, JobMessage, write_message
from lbt.stages.slurm import QueuedJob


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logs = tmp_path / "results" / "tiny" / "logs"
    logs.mkdir(parents=True)
    progress = {"done": 3, "total": 42, "host": socket.gethostname(), "pid": os.getpid(), "folders": ["/clone"]}
    (logs / "progress.json").write_text(json.dumps(progress))
    return logs


def test_jobs_at_work_waiting_and_failed(run, monkeypatch, capsys):
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    write_message(run / "a.log", JobMessage(kind=RUNNING, **here))
    write_message(run / "b.log", JobMessage(kind=RUNNING, host="n1", slurm_job="7"))
    write_message(run / "c.log", JobMessage(kind=RUNNING, host="n1", slurm_job="8"))
    write_message(run / "d.log", JobMessage("no images", REFUSED, **here))
    write_message(run / "e.log", JobMessage(kind=RUNNING, host=socket.gethostname(), pid=2**22 + 1))
    queue = [
        QueuedJob("7", "RUNNING", "1:00", "n1", "None", "label"),
        QueuedJob("9", "PENDING", "0:00", "", "PartitionConfig", "latency"),
        QueuedJob("10", "PENDING", "0:00", "", "Priority", "round lbt_0_1"),
    ]
    monkeypatch.setattr(status, "queued_jobs", lambda folders: queue if folders == ["/clone"] else None)
    assert main(["status", "results/tiny"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(
        "results/tiny: 3 of 42 jobs done, 2 at work, 2 in Slurm's queue, 3 failed.\n"
        f"Snakemake is at work, process {os.getpid()}.\n\nat work\n  a, process {os.getpid()}, for "
    )
    assert "\n  b, Slurm job 7 on n1, for " in text
    assert "\nwaiting\n  latency (Slurm job 9) cannot start: PartitionConfig. It asks for more CPUs" in text
    assert "\n  round lbt_0_1 (Slurm job 10) waits for its turn: Priority.\n" in text
    failed = text[text.index("\nfailed\n") :]
    assert (
        "\nc\n  It ended without a message." in failed and "\nd\n  no images\n  log: results/tiny/logs/d.log" in failed
    )
    assert "\ne\n" in failed and "\na\n" not in failed


def test_a_run_that_has_ended(run, capsys):
    (run / "progress.json").write_text(json.dumps({"host": socket.gethostname(), "pid": 2**22 + 1}))
    assert main(["status", "results/tiny"]) == 0
    assert (
        "no job done yet, 0 at work, 0 in Slurm's queue, 0 failed.\nSnakemake has ended.\n" in capsys.readouterr().out
    )


@pytest.mark.parametrize("content", ["[]", '{"done": "x", "folders": 3, "pid": "y"}', '{"pid": -1, "folders": [1]}'])
def test_a_strangers_progress(run, content):
    (run / "progress.json").write_text(content)
    assert main(["status", "results/tiny"]) == 0


def test_a_folder_without_a_run(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 1
    assert "is missing, so no run has started" in capsys.readouterr().err


def test_a_strangers_files_do_not_reach_the_terminal(run, capsys):
    (run / "progress.json").write_text(json.dumps({"done": "\x1b[31m", "total": 2, "host": "\x1b]0;x\x07\n"}))
    write_message(run / "a\x1b[1m.log", JobMessage("no images", REFUSED))
    write_message(run / "b\x1b[1m.log", JobMessage(kind=RUNNING, host="n1"))
    assert main(["status", "results/tiny"]) == 0
    text = capsys.readouterr().out
    assert text.replace("\n", "").isprintable()
    assert r"a\x1b[1m" in text and r"b\x1b[1m, process" in text and r"\x1b[31m of 2 jobs done" in text
    assert describe_failures(run, "snakemake", "x.log").replace("\n", "").isprintable()
