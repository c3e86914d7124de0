"""The time left: work that remains, by the times of the stages, divided by the speed so far."""

from pathlib import Path

import pandas as pd
import pytest

from lbt.config import Settings
from lbt.stages.table import STAGES
from lbt.stages.time_left import TYPICAL, Working, estimate_left, typical_seconds

RUN = Path(__file__).with_name("default_run.csv")
EPOCHS = {
    "warmup": {"epochs": 4},
    "search": {"epochs": 1, "student": {"warmup_epochs": 4}},
    "retrain": {"epochs": 30},
}
"""Of the run in the file."""


def test_nothing_is_told_before_something_is_measured():
    assert estimate_left({"round": 3}, {}, {}, {}, [], 10.0).seconds is None
    assert estimate_left({"round": 3}, {"check": 1}, {"check": [1.0]}, {}, [], 10.0).seconds is None


def test_equal_jobs_one_after_another():
    found = estimate_left({"round": 10}, {"round": 4}, {"round": [10.0] * 4}, {}, [], 40.0)
    assert found.seconds == pytest.approx(60) and not found.guessed


def test_two_at_a_time_take_half():
    found = estimate_left({"round": 10}, {"round": 4}, {"round": [10.0] * 4}, {}, [], 20.0)
    assert found.seconds == pytest.approx(30)


def test_a_long_stage_counts_more_than_a_short_one():
    """24 of 49 steps are not half of the time."""
    planned, measured = {"split": 24, "retrain": 25}, {"split": [1.0] * 24, "retrain": [100.0]}
    found = estimate_left(planned, {"split": 24}, measured, {}, [], 24.0)
    assert found.seconds == pytest.approx(2500)


def test_the_jobs_at_work_count_with_what_they_have_left():
    measured = {"round": [10.0]}
    found = estimate_left({"round": 3}, {"round": 1}, measured, {}, [Working("round", 5.0, left=2.0)], 15.0)
    assert found.seconds == pytest.approx(10 + 2)
    found = estimate_left({"round": 3}, {"round": 1}, measured, {}, [Working("round", 4.0)], 14.0)
    assert found.seconds == pytest.approx(10 + 6)
    found = estimate_left({"round": 2}, {"round": 1}, measured, {}, [Working("round", 400.0)], 410.0)
    assert found.seconds == pytest.approx(0)


def test_an_unmeasured_stage_takes_its_typical_time_on_a_machine_of_this_speed():
    typical = {"round": 10.0, "retrain": 50.0}
    found = estimate_left({"round": 1, "retrain": 2}, {"round": 1}, {"round": [20.0]}, typical, [], 20.0)
    assert found.seconds == pytest.approx(200) and found.guessed == ["retrain"]
    found = estimate_left(
        {"round": 1, "retrain": 2}, {"round": 1, "retrain": 1}, {"round": [20.0], "retrain": [30.0]}, typical, [], 50.0
    )
    assert found.seconds == pytest.approx(30) and not found.guessed


def test_a_stage_without_a_typical_time_tells_nothing_of_the_others():
    typical = {"latency": 10.0, "tables": 4.0}
    planned, measured = {"latency": 1, "other": 1, "tables": 1}, {"latency": [20.0], "other": [400.0]}
    found = estimate_left(planned, {"latency": 1, "other": 1}, measured, typical, [], 420.0)
    assert found.seconds == pytest.approx(8)
    found = estimate_left(planned, {"other": 1}, {"other": [400.0]}, typical, [], 400.0)
    assert found.seconds == pytest.approx(14)


def test_jobs_of_earlier_starts_are_measured_too_and_waiting_in_a_queue_lowers_the_speed():
    found = estimate_left({"round": 2}, {"round": 1}, {"round": [10.0, 10.0, 10.0]}, {}, [], 100.0)
    assert found.seconds == pytest.approx(100)


def test_longer_training_takes_longer():
    short, long = (
        Settings().model_copy(update={"retrain": Settings().retrain.model_copy(update={"epochs": e})}) for e in (10, 40)
    )
    assert typical_seconds(long)["retrain"] == 4 * typical_seconds(short)["retrain"]
    assert typical_seconds(long)["label"] == typical_seconds(short)["label"]
    assert set(TYPICAL) <= set(STAGES)


def test_a_job_that_runs_alone_ends_the_run():
    """Three of four jobs ended side by side; the last one takes as long as it says."""
    found = estimate_left({"round": 4}, {"round": 3}, {"round": [10.0] * 3}, {}, [Working("round", 1.0, 9.0)], 16.0)
    assert found.seconds == pytest.approx(9)


def test_stages_that_take_the_whole_machine_gain_nothing_from_jobs_side_by_side():
    planned, measured = {"round": 4, "profile": 2}, {"round": [10.0] * 2, "profile": [5.0]}
    working = [Working("round", 5.0), Working("round", 5.0)]
    found = estimate_left(planned, {"round": 2, "profile": 1}, measured, {}, working, 20.0)
    assert found.seconds == pytest.approx(10 / 2 + 5)


def test_the_time_left_of_a_whole_run_is_right_within_a_third():
    """The jobs of a default run on two cores, with their measured starts and ends.

    Of the warm-up, which all rounds wait for, the time left is right only if the run knows its cores.
    """
    jobs = pd.read_csv(RUN)
    planned, typical = jobs.stage.value_counts().to_dict(), typical_seconds(Settings.model_validate(EPOCHS))
    trains = {"warmup", "student_warmup", "round", "retrain"}
    end = jobs.end.max()
    for now in range(40, int(end), 10):
        ended, begun = jobs[jobs.end <= now], jobs[(jobs.start < now) & (jobs.end > now)]
        measured = {name: list(group.end - group.start) for name, group in ended.groupby("stage")}
        working = [
            Working(j.stage, now - j.start, j.end - now if j.stage in trains else None) for j in begun.itertuples()
        ]
        found = estimate_left(planned, dict(ended.stage.value_counts()), measured, typical, working, now, 2).seconds
        assert found == pytest.approx(end - now, rel=1 / 3), now
