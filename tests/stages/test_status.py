"""`lbt status RUN`, and `show` of a run without tables."""

import json
import os
import socket
import threading
import time

import pytest

from lbt.__main__ import main
from lbt.stages import status
from lbt.stages.failure_summary import describe_failures
from lbt.stages.job_log import note_end
from lbt.stages.job_message import REFUSED, RUNNING, JobMessage, write_message
from lbt.stages.slurm import QueuedJob
from lbt.stages.status import read_state

DEAD = 2**22 + 1


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    logs = tmp_path / "results" / "tiny" / "logs"
    logs.mkdir(parents=True)
    write_progress(logs)
    return logs


def write_progress(logs, **changed):
    progress = {"done": 3, "total": 42, "host": socket.gethostname(), "pid": os.getpid(), "folders": ["/clone"]}
    progress |= {"started": time.time() - 100, "planned": {"label": 1, "round": 6}, "ended": {"round": 2}}
    progress["typical"] = {"label": 10.0, "round": 10.0}
    (logs / "progress.json").write_text(json.dumps(progress | changed))


def test_jobs_at_work_waiting_and_failed(run, monkeypatch, capsys):
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    write_message(run / "a.log", JobMessage(kind=RUNNING, **here))
    write_message(run / "b.log", JobMessage(kind=RUNNING, host="n1", slurm_job="7"))
    write_message(run / "c.log", JobMessage(kind=RUNNING, host="n1", slurm_job="8"))
    write_message(run / "d.log", JobMessage("no images", REFUSED, **here))
    write_message(run / "e.log", JobMessage(kind=RUNNING, host=socket.gethostname(), pid=DEAD))
    queue = [
        QueuedJob("7", "RUNNING", "1:00", "n1", "None", "label"),
        QueuedJob("9", "PENDING", "0:00", "", "PartitionConfig", "latency"),
        QueuedJob("10", "PENDING", "0:00", "", "Priority", "round lbt_0_1"),
    ]
    monkeypatch.setattr(status, "queued_jobs", lambda folders: queue if folders == ["/clone"] else None)
    assert main(["status", "results/tiny"]) == 0
    text = capsys.readouterr().out
    first = "results/tiny  running  3 of 42 jobs done, 2 running, 2 in Slurm's queue, 3 failed"
    assert text.startswith(first)
    assert f"\nSnakemake is running, process {os.getpid()}.\n\nrunning\n  a, for " in text
    assert f"(process {os.getpid()})" in text and "(Slurm job 7 on n1)" in text
    assert "\nwaiting\n  latency (Slurm job 9) cannot start: PartitionConfig. It asks for more CPUs" in text
    assert "\n  round lbt_0_1 (Slurm job 10) waits for its turn: Priority.\n" in text
    failed = text[text.index("\nfailed\n") :]
    assert (
        "\n  c\n    It ended without a message." in failed
        and "\n  d\n    no images\n    log: results/tiny/logs/d.log" in failed
    )
    assert "\n  e\n" in failed and "\n  a\n" not in failed


def test_the_time_left_follows_from_measured_jobs_and_from_the_logs_of_those_at_work(run, capsys):
    for name, seconds in (("search-a", 40.0), ("search-b", 60.0)):
        (run / f"{name}.log").touch()
        note_end(run / f"{name}.log", "round", seconds)
    now = time.time()
    here = {"host": socket.gethostname(), "pid": os.getpid(), "started": now}
    write_message(run / "search-c.log", JobMessage(kind=RUNNING, stage="round", **here))
    write_message(run / "label-d.log", JobMessage(kind=RUNNING, stage="label", **here))
    (run / "search-c.log").write_text(
        "search: step 1/9  loss 8  1 s elapsed, 9 s left\n"
        "search: step 4/9  loss 7.5  student 1.25  20 s elapsed, 25 s left\nnote\n"
    )
    state = read_state(run.parent)
    (label, search) = state.working
    assert (search.step, search.steps, dict(search.values)) == (4, 9, {"loss": "7.5", "student": "1.25"})
    assert search.left == pytest.approx(25, abs=1) and label.left is None and label.steps == 0
    # 3 rounds of 50 s, 25 s of the one at work, the label takes 50 s as a round does; two at a time
    assert state.left == pytest.approx((3 * 50 + 25 + 50) / 2, abs=4)
    assert main(["status", "results/tiny"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "step 4 of 9, loss 7.5, student 1.25, for 0 s, about 25 s left" in text
    assert " 2 min left, until about " in text and "(a guess until label is measured)" in text


def test_a_run_that_has_ended(run, capsys):
    write_progress(run, pid=DEAD, done=0, total=0)
    assert main(["status", "results/tiny"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("results/tiny  stopped  no job done yet, 0 running\nSnakemake has ended without a message.")
    for change, state in (
        ({"state": "finished"}, "finished"),
        ({"done": 42}, "finished"),
        ({"state": "failed"}, "stopped"),
    ):
        write_progress(run, pid=DEAD, **change)
        assert read_state(run.parent).state == state and read_state(run.parent).left is None
    write_message(run / "d.log", JobMessage("no images", REFUSED))
    assert read_state(run.parent).state == "failed"
    write_progress(run, host="elsewhere", pid=DEAD)
    assert read_state(run.parent).state == "running"


def test_watching_ends_with_the_run(run, capsys, monkeypatch):
    monkeypatch.setattr("lbt.commands.status._PAUSE", 0.05)
    done = threading.Timer(0.3, write_progress, [run], {"state": "finished", "done": 42})
    done.start()
    assert main(["status", "results/tiny", "--watch"]) == 0
    done.join()
    assert "finished" in capsys.readouterr().out


def test_show_of_a_run_without_tables_says_where_it_stands(run, capsys):
    assert main(["show", "results/tiny"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("results/tiny  running  3 of 42 jobs done") and text.endswith("There are no tables yet.\n")


@pytest.mark.parametrize(
    "content",
    [
        *("[]", '{"done": "x", "folders": 3, "pid": "y"}', '{"pid": -1, "folders": [1]}'),
        '{"planned": {"round": 1e9, "\\u001b[1m": 2, "a": "b"}, "ended": [], "typical": {"round": -1}, "started": "x"}',
        '{"state": "\\u001b[1m", "done": 1e300, "total": true, "started": -1e300, "planned": {"round": 5}}',
    ],
)
def test_a_strangers_progress(run, content, capsys):
    (run / "progress.json").write_text(content)
    (run / "a.log").write_bytes(b"\xff\x1b[1m\nround finished after 7.0 s")
    assert main(["status", "results/tiny"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_folder_without_a_run(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 1
    assert "is missing, so no run has started" in capsys.readouterr().err


def test_a_strangers_files_do_not_reach_the_terminal(run, capsys):
    write_progress(run, host="\x1b]0;x\x07\n", planned={"\x1b[1mround": 3})
    write_message(run / "a\x1b[1m.log", JobMessage("no images", REFUSED))
    write_message(run / "b\x1b[1m.log", JobMessage(kind=RUNNING, host="n1"))
    (run / "b\x1b[1m.log").write_text("x: step 2/3  \x1b[1m 5  1 s elapsed, 2 s left\n")
    (run.parent / "data").mkdir()
    (run.parent / "data" / "check.json").write_text(json.dumps({"warnings": ["\x1b[1mdark", 3]}))
    assert main(["status", "results/tiny"]) == 0
    text = capsys.readouterr().out
    assert text.replace("\n", "").isprintable()
    assert r"a\x1b[1m" in text and r"  b\x1b[1m" in text and r"\x1b[1mdark" in text
    assert describe_failures(run, "snakemake", "x.log").replace("\n", "").isprintable()
