"""A run's page is written while it goes, and what keeps it from being written stops nothing."""

import json
import logging
import time

import pytest

from lbt.config import Settings
from lbt.stages import run_follower
from lbt.stages.run_follower import PageWriter, RunFollower


@pytest.fixture
def logger():
    made = logging.Logger("snakemake of a test", logging.INFO)
    made.lines = []
    handler = logging.Handler()
    handler.emit = lambda record: made.lines.append(record.getMessage())
    made.addHandler(handler)
    return made


def wait_for(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def start_job(logger, folder, name="warmup-seed-0"):
    words = {"rule_name": "warmup", "jobid": 1, "reason": "", "local": True, "event": "job_info"}
    logger.info("x", extra=words | {"log": [str(folder / "logs" / f"{name}.log")]})


def test_from_the_plan_to_the_end(logger, tmp_path, monkeypatch):
    monkeypatch.setattr(run_follower, "_LEAST_PAUSE", 0.01)
    run = tmp_path / "a <b> run"
    (run / "logs").mkdir(parents=True)
    follower = RunFollower(logger, run, Settings())
    logger.info("Job stats", extra={"event": "run_info", "stats": {"warmup": 2, "all": 1, "total": 3}})
    assert not list(run.glob("*.html")) and not list((run / "logs").iterdir())  # a dry-run writes nothing
    follower.start()
    assert any(f"{run}/index.html" in line for line in logger.lines)
    wait_for((run / "index.html").exists)
    start_job(logger, run)
    (run / "logs" / "warmup-seed-0.error").write_text(json.dumps({"kind": "running", "host": "elsewhere"}))
    wait_for(lambda: "warmup-seed-0" in (run / "index.html").read_text())
    assert "0 of 2 jobs" in (run / "index.html").read_text()
    (run / "logs" / "warmup-seed-0.error").unlink()
    logger.info("x", extra={"event": "job_finished", "job_id": 1})
    logger.info(None, extra={"event": "progress", "done": 1, "total": 3})
    follower.end("finished")
    text = (run / "index.html").read_text()
    assert ">finished<" in text and "1 of 3 jobs" in text and "warmup-seed-0" not in text
    assert "a &lt;b&gt; run" in text and "<b> run" not in text
    assert not [line for line in logger.lines if "could not be written" in line]


def test_a_page_that_cannot_be_written_is_said_once(logger, tmp_path, monkeypatch):
    monkeypatch.setattr(run_follower, "_LEAST_PAUSE", 0.01)
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / "index.html").mkdir()
    follower = RunFollower(logger, run, Settings())
    follower.start()
    wait_for(lambda: any("could not be written, the run goes on" in line for line in logger.lines))
    start_job(logger, run)
    follower.end("failed")
    assert sum("could not be written" in line for line in logger.lines) == 1
    assert json.loads((run / "logs" / "progress.json").read_text())["state"] == "failed"
    assert [path.name for path in run.iterdir() if path.name.endswith(".partial")] == []


def test_a_defect_of_the_page_stops_nothing():
    said = []

    def fail():
        raise ZeroDivisionError("a defect")

    writer = PageWriter(fail, said.append)
    writer.end()
    writer.end()
    assert said == ["The page of the run or its link `best` could not be written, the run goes on: a defect"]


def test_a_run_that_was_refused_before_its_first_job_ends_too(logger, tmp_path):
    RunFollower(logger, tmp_path / "run", Settings()).end("failed")
    assert len(logger.lines) == 1 and "could not be written" in logger.lines[0]


def test_the_link_to_the_best_network_does_not_keep_the_page_from_being_written(logger, tmp_path):
    run = tmp_path / "run"
    (run / "logs").mkdir(parents=True)
    (run / "best").mkdir()
    follower = RunFollower(logger, run, Settings())
    follower.start()
    follower.end("finished")
    assert (run / "index.html").exists() and (run / "best").is_dir()
    assert sum("best: is no link" in line for line in logger.lines) == 1
