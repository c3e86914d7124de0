"""What a failed run says last."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from lbt import __main__ as command_line
from lbt.stages.failure_summary import FailedJob, describe_failures, failed_job

COMMAND = "snakemake --cores 8 --profile slurm"
PROGRESS = "round lbt seed-0 round-3: step 7/120  loss 1.9  12 s elapsed, 200 s left"


def failed(folder: Path, log: str | None, slurm: str | None = None) -> FailedJob:
    """A failed round with these logs, as Snakemake describes it."""
    if log is not None:
        (folder / "round.log").write_text(log)
    place = folder / "slurm_logs" / "rule_round" / "lbt_0_3"
    if slurm is not None:
        place.mkdir(parents=True)
        (place / "17.log").write_text(slurm)
    wildcards = {"method": "lbt", "seed": "0", "round": "3"}
    job = SimpleNamespace(rule=SimpleNamespace(name="round"), wildcards=wildcards, log=[str(folder / "round.log")])
    return failed_job(job, folder)


def test_the_message_the_log_and_the_way_to_go_on(tmp_path):
    job = failed(tmp_path, f"{PROGRESS}\nerror: data: 2 problems\n  a.png: is damaged\n  b.png: is missing\n")
    assert describe_failures([job], COMMAND) == (
        "\n1 job failed.\n\nround (method lbt, seed 0, round 3)\n  data: 2 problems\n    a.png: is damaged\n"
        f"    b.png: is missing\n  log: {tmp_path}/round.log\n\n"
        f"Mend the cause and repeat the command; what is finished is kept:\n  {COMMAND}\n"
    )


def test_a_long_message_is_cut_and_says_so(tmp_path):
    job = failed(tmp_path, "error: 40 problems\n" + "".join(f"  {i}.png\n" for i in range(40)))
    text = describe_failures([job], COMMAND)
    assert "10.png" in text and "11.png" not in text and "... and 29 more lines in the log" in text


def test_a_killed_job_shows_where_it_was(tmp_path):
    text = describe_failures([failed(tmp_path, f"first\n{PROGRESS}\n")], COMMAND)
    assert "left no message" in text and f"last line of its log: {PROGRESS}" in text and "first" not in text


@pytest.mark.parametrize("log", [PROGRESS, None])
def test_slurm_says_why_it_ended_a_job(tmp_path, log):
    reason = "slurmstepd-n1: error: *** JOB 17 ON n1 CANCELLED AT 2026-01-01T10:00:00 DUE TO TIME LIMIT ***"
    text = describe_failures([failed(tmp_path, log, f"Building DAG\n{reason}\nShutting down\n")], COMMAND)
    assert f"  {reason}\n" in text and "17.log" in text and "Building DAG" not in text
    assert ("round.log" in text) == (log is not None)


def test_slurm_says_why_it_could_not_start_a_job(tmp_path):
    reason = "srun: error: Unable to create step for job 17: Invalid generic resource (gres) specification"
    text = describe_failures([failed(tmp_path, "", f"Building DAG\n{reason}\nShutting down\n")], COMMAND)
    assert f"round 3)\n  {reason}\n  log: " in text and "left no message" not in text


def test_an_exit_code_is_no_reason(tmp_path):
    text = describe_failures([failed(tmp_path, "", "srun: error: n1: task 0: Exited with exit code 1\n")], COMMAND)
    assert "left no message" in text


@pytest.mark.parametrize(
    ("log", "last"),
    [(None, ""), ("error: of an attempt before", "  last line of its log: error: of an attempt before\n")],
)
def test_slurm_says_why_it_refused_a_job(tmp_path, log, last):
    said = [
        "sbatch: error: CPU count per node can not be satisfied",
        "sbatch: error: Batch job submission failed: Requested node configuration isn't available",
    ]
    quoted = "SLURM sbatch failed. The error message was '{}'.\n    sbatch call:\n        sbatch --comment {} -D x"
    first = quoted.format("sbatch: error: another", "rule_warmup_wildcards_0")
    run_log = tmp_path / "run.log"
    run_log.write_text(f"Building DAG\n{first}\n{quoted.format(chr(10).join(said), 'rule_round_wildcards_lbt_0_3')}\n")
    text = describe_failures([failed(tmp_path, log)], COMMAND, [run_log])
    assert f"round 3)\n  {said[0]}\n  {said[1]}\n{last}" in text and "another" not in text and "left no" not in text


def test_a_run_that_was_stopped_from_outside_has_no_failed_job():
    assert describe_failures([], COMMAND).startswith("\nThe run was stopped.\n\nRepeat the command")


def test_a_defect_leaves_its_traceback_and_a_message_in_the_log(tmp_path, monkeypatch):
    def defect(options):
        return [][1]

    log = tmp_path / "round.log"
    monkeypatch.setattr(command_line.stage, "run", defect)
    with pytest.raises(IndexError):
        command_line.main(["stage", "split", "--job", "{}", "--log", str(log)])
    lines = log.read_text().splitlines()
    assert lines[0] == "Traceback (most recent call last):" and "return [][1]" in log.read_text()
    assert lines[-1] == "error: IndexError: list index out of range"
    text = describe_failures([failed(tmp_path, None)], COMMAND)
    assert "  IndexError: list index out of range\n" in text and "Traceback" not in text
