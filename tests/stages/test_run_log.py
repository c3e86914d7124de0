"""What a run notes and shows of Snakemake's records."""

import json
import logging

import pytest

from lbt.stages import run_log
from lbt.stages.job_message import NOT_STARTED, find_messages, leave_message
from lbt.stages.run_log import PATIENCE, QueueWatch, RunLog
from lbt.stages.slurm import QueuedJob

COMMAND = "set -euo pipefail; trap '' USR1;  python -m lbt stage round --log a.log --attempt 1 --job '{\"settings\":1}'"


def record(event, level=logging.INFO, msg="", **fields):
    made = logging.makeLogRecord({"levelno": level, "msg": msg, "event": event, **fields})
    return made


def error_record(log, message="", **aux):
    fields = {"rule_msg": message, "log": [str(log)], "aux": aux, "shellcmd": COMMAND, "conda_env": None}
    return record("job_error", logging.ERROR, "Error in rule", input=["a"] * 99, output=["b"], **fields)


def test_a_job_that_starts_takes_two_short_lines(tmp_path):
    started = []
    log = RunLog(tmp_path, ["/clone"], lambda: started.append(True))
    words = {"reason": "Missing " + "x" * 999, "local": True, "rule_msg": None}
    job = record("job_info", log=["results/tiny/logs/warmup-seed-0.log"], rule_name="warmup", **words)
    assert log.filter(job)
    assert job.rule_msg == "warmup-seed-0, log: results/tiny/logs/warmup-seed-0.log" and len(job.reason) < 170
    assert not started
    job.local = False
    log.filter(job)
    assert started
    target = record("job_info", log=[], rule_name="all", **words)
    log.filter(target)
    assert target.rule_msg == "all"


def test_a_failed_job_shows_no_settings(tmp_path):
    log = RunLog(tmp_path, [], lambda: None)
    job = error_record(tmp_path / "a.log", "SLURM sbatch failed.\n" + COMMAND + "\n" * 50 + "end")
    log.filter(job)
    assert "settings" not in f"{job.__dict__}" and len(job.rule_msg.splitlines()) <= 4
    assert job.input == job.output == [] and job.shellcmd is None
    exception = record("error", logging.ERROR, f"RuleException:\nin file x:\nCommand '{COMMAND}' returned 1.")
    log.filter(exception)
    assert exception.msg == "RuleException:\nin file x:\nCommand 'python -m lbt stage round ..."


def test_a_job_that_could_not_be_submitted_is_in_the_summary(tmp_path):
    RunLog(tmp_path, [], lambda: None).filter(error_record(tmp_path / "a.log", "sbatch: error: Invalid account"))
    (message,) = find_messages(tmp_path).values()
    assert message.kind == NOT_STARTED and "sbatch: error: Invalid account" in message.text


def test_what_slurm_says_of_a_failed_job_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "end_state", {"7": "CANCELLED"}.get)
    with pytest.raises(ValueError), leave_message(tmp_path / "a.log", "a job"):
        raise ValueError("its words")
    RunLog(tmp_path, [], lambda: None).filter(error_record(tmp_path / "a.log", external_jobid="7"))
    (message,) = find_messages(tmp_path).values()
    assert (message.slurm_job, message.slurm_state, message.text) == ("7", "CANCELLED", "ValueError: its words")


def test_the_progress_is_written(tmp_path):
    log = RunLog(tmp_path, ["/clone"], lambda: None)
    assert json.loads((tmp_path / "progress.json").read_text())["done"] == 0
    log.filter(record("progress", done=3, total=42))
    found = json.loads((tmp_path / "progress.json").read_text())
    assert (found["done"], found["total"], found["folders"]) == (3, 42, ["/clone"])


def test_warnings_of_missing_accounts_are_no_news(tmp_path):
    log = RunLog(tmp_path, [], lambda: None)
    assert not log.filter(record(None, logging.WARNING, "No SLURM account given, trying to guess."))
    assert log.filter(record(None, logging.WARNING, "Another warning"))


def test_a_job_that_cannot_start_is_named_once_after_two_minutes():
    said, jobs = [], {}
    watch = QueueWatch(["/clone"], said.append, lambda folders: list(jobs.values()))
    jobs["7"] = QueuedJob("7", "PENDING", "0:00", "", "PartitionConfig", "latency")
    jobs["8"] = QueuedJob("8", "PENDING", "0:00", "", "Priority", "round")
    for seconds in (0.0, PATIENCE - 1):
        watch.look(seconds)
    assert not said
    for seconds in (PATIENCE, PATIENCE + 1):
        watch.look(seconds)
    assert len(said) == 1 and said[0].startswith(
        "latency (Slurm job 7) cannot start: PartitionConfig. It asks for more"
    )
    jobs["7"] = QueuedJob("7", "PENDING", "0:00", "", "Resources", "latency")
    watch.look(PATIENCE + 2)
    jobs["7"] = QueuedJob("7", "PENDING", "0:00", "", "JobHeldUser", "latency")
    watch.look(PATIENCE + 3)
    watch.look(2 * PATIENCE)
    assert len(said) == 1  # the time counts for each reason
    watch.look(2 * PATIENCE + 3)
    assert len(said) == 2 and "JobHeldUser" in said[1]


def test_a_queue_that_does_not_answer_is_asked_again():
    said, answers = [], [None, [QueuedJob("7", "PENDING", "0:00", "", "PartitionDown", "latency")]]
    watch = QueueWatch(["/clone"], said.append, lambda folders: answers[-1] if len(answers) == 1 else answers.pop(0))
    for seconds in (0.0, 1.0, 1.0 + PATIENCE):
        watch.look(seconds)
    assert len(said) == 1
