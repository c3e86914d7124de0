"""What a run notes and shows of Snakemake's records."""

import json
import logging

import pytest

from lbt.stages import run_log
from lbt.stages.job_log import note_end
from lbt.stages.job_message import NOT_STARTED, find_messages, leave_message
from lbt.stages.run_log import RunLog
from lbt.stages.run_progress import RunProgress

COMMAND = "set -euo pipefail; trap '' USR1;  python -m lbt stage round --log a.log --attempt 1 --job '{\"settings\":1}'"


def record(event, level=logging.INFO, msg="", **fields):
    made = logging.makeLogRecord({"levelno": level, "msg": msg, "event": event, **fields})
    return made


def error_record(log, message="", **aux):
    fields = {"rule_msg": message, "log": [str(log)], "aux": aux, "shellcmd": COMMAND, "conda_env": None}
    return record("job_error", logging.ERROR, "Error in rule", input=["a"] * 99, output=["b"], **fields)


def job_record(log, rule="warmup", number=3, reason="Missing output files: a", local=True):
    return record("job_info", log=[str(log)] if log else [], rule_name=rule, jobid=number, reason=reason, local=local)


@pytest.fixture
def calls():
    return {"changed": 0, "submitted": 0}


@pytest.fixture
def log(tmp_path, calls):
    def count(name):
        calls[name] += 1

    return RunLog(
        tmp_path,
        RunProgress(folders=["/clone"], planned={"warmup": 2}, total=3),
        changed=lambda: count("changed"),
        submitted=lambda: count("submitted"),
        left=lambda: 200.0,
    )


def written(folder):
    return json.loads((folder / "progress.json").read_text())


def test_a_job_takes_one_line_when_it_has_ended(log, tmp_path, calls):
    note_end(tmp_path / "warmup-seed-0.log", "warmup", 31.24)
    assert not log.filter(job_record(tmp_path / "warmup-seed-0.log"))
    assert not log.filter(record("job_started", msg="Execute 1 jobs..."))
    assert not log.filter(record("job_finished", job_id=3)) and calls["changed"] == 3
    progress = record("progress", done=1, total=30)
    assert log.filter(progress) and progress.event is None
    assert progress.msg.split() == ["1", "of", "30", "warmup-seed-0", "31", "s", "about", "3", "min", "left"]
    assert "\n" not in progress.msg
    assert not log.filter(record("progress", done=2, total=30))  # of the target, which has no log
    assert not log.filter(record(None, msg="Select jobs to execute..."))
    assert log.filter(record(None, msg="Another sentence"))


def test_the_most_jobs_at_a_time_are_those_of_this_machine(log, tmp_path):
    for number in (1, 2):
        log.filter(job_record(tmp_path / f"{number}.log", number=number))
    log.filter(record("job_finished", job_id=1))
    for number in (3, 4, 5):
        log.filter(job_record(tmp_path / f"{number}.log", number=number, local=number == 5))
    log.filter(record("progress", done=1, total=5))
    assert written(tmp_path)["at_once"] == 2


def test_a_line_says_why_a_job_ran_again(log, tmp_path):
    reason = "Missing output files: a; Code has changed since last execution; " + "x" * 999
    log.filter(job_record(tmp_path / "a.log", reason=reason))
    log.filter(record("job_finished", job_id=3))
    progress = record("progress", done=1, total=1)
    log.filter(progress)
    assert "(Code has changed since last execution; xxx" in progress.msg and len(progress.msg) < 300
    assert "Missing" not in progress.msg and "left" not in progress.msg


def test_a_job_of_another_machine_starts_the_watch_of_the_queue(log, tmp_path, calls):
    log.filter(job_record(tmp_path / "a.log"))
    assert not calls["submitted"]
    log.filter(job_record(tmp_path / "b.log", number=4, local=False))
    assert calls["submitted"] == 1


def test_a_failed_job_shows_no_settings(log, tmp_path):
    job = error_record(tmp_path / "a.log", "SLURM sbatch failed.\n" + COMMAND + "\n" * 50 + "end")
    assert log.filter(job)
    assert "settings" not in f"{job.__dict__}" and len(job.rule_msg.splitlines()) <= 4
    assert job.input == job.output == [] and job.shellcmd is None
    exception = record("error", logging.ERROR, f"RuleException:\nin file x:\nCommand '{COMMAND}' returned 1.")
    log.filter(exception)
    assert exception.msg == "RuleException:\nin file x:\nCommand 'python -m lbt stage round ..."


def test_a_job_that_could_not_be_submitted_is_in_the_summary(log, tmp_path):
    log.filter(error_record(tmp_path / "a.log", "sbatch: error: Invalid account"))
    (message,) = find_messages(tmp_path).values()
    assert message.kind == NOT_STARTED and "sbatch: error: Invalid account" in message.text


def test_what_slurm_says_of_a_failed_job_is_kept(log, tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "end_state", {"7": "CANCELLED"}.get)
    with pytest.raises(ValueError), leave_message(tmp_path / "a.log", "a job", "round"):
        raise ValueError("its words")
    log.filter(error_record(tmp_path / "a.log", external_jobid="7"))
    (message,) = find_messages(tmp_path).values()
    assert (message.slurm_job, message.slurm_state, message.text) == ("7", "CANCELLED", "ValueError: its words")


def test_the_progress_is_written(log, tmp_path):
    assert written(tmp_path)["done"] == 0 and written(tmp_path)["state"] == "running"
    for number in (3, 4):
        log.filter(job_record(tmp_path / "a.log", number=number))
        log.filter(record("job_finished", job_id=number))
        log.filter(record("progress", done=number, total=42))
    found = written(tmp_path)
    assert (found["done"], found["total"], found["folders"]) == (4, 42, ["/clone"])
    assert found["planned"] == found["ended"] == {"warmup": 2}
    log.end("finished")
    assert written(tmp_path)["state"] == "finished"


def test_a_progress_that_cannot_be_written_stops_nothing(log, tmp_path):
    (tmp_path / "progress.json").unlink()
    (tmp_path / "progress.json").mkdir()
    assert not log.filter(record("progress", done=3, total=42))
    log.end("finished")


def test_warnings_of_missing_accounts_are_no_news(log):
    assert not log.filter(record(None, logging.WARNING, "No SLURM account given, trying to guess."))
    assert log.filter(record(None, logging.WARNING, "Another warning"))
