"""What is asked of Slurm, with its real answers of other days. The commands themselves are tried in tests/slurm."""

import pytest

from lbt.stages import slurm
from lbt.stages.slurm import QueuedJob, end_state, queued_jobs

PASSES = (
    "None Priority Resources BeginTime Dependency Licenses JobArrayTaskLimit Cleaning Prolog Reservation "
    "AssocMaxJobsLimit AssocGrpJobsLimit AssocGrpSubmitJobsLimit QOSGrpJobsLimit QOSMaxJobsPerUserLimit "
    "QOSMaxCpuPerUserLimit QOSMaxGRESPerUser MaxCpuPerAccount MaxJobsPerAccount AssociationJobLimit QOSJobLimit"
)
HOPELESS = (
    "PartitionConfig PartitionNodeLimit PartitionTimeLimit PartitionDown PartitionInactive BadConstraints NodeDown "
    "ReqNodeNotAvail InvalidAccount InvalidQOS AccountNotAllowed QOSNotAllowed AssocMaxCpuPerJobLimit "
    "AssocMaxWallDurationPerJobLimit AssocMaxMemPerNode AssocGrpCpuLimit AssocGrpCPUMinutesLimit AssocGrpGRES "
    "AssocGrpBillingMinutes QOSGrpCpuLimit QOSMaxCpuPerJobLimit QOSMaxWallDurationPerJobLimit QOSMinGRES QOSTimeLimit "
    "MaxMemPerLimit DependencyNeverSatisfied JobHeldUser JobHeldAdmin JobHoldMaxRequeue AssociationTimeLimit"
)
IN_WORDS = ["ReqNodeNotAvail, UnavailableNodes:n[1-2]", "launch failed requeued held", "job requeued in held state"]


@pytest.mark.parametrize("reason", PASSES.split())
def test_reasons_that_pass(reason):
    assert not QueuedJob("1", "PENDING", "0:00", "", reason, "round").hopeless


@pytest.mark.parametrize("reason", [*HOPELESS.split(), *IN_WORDS])
def test_reasons_that_do_not_pass(reason):
    assert QueuedJob("1", "PENDING", "0:00", "", reason, "round").hopeless


def test_the_queue_of_a_folder(monkeypatch):
    answer = (
        "7|RUNNING|1:02|n1|None|rule_round_wildcards_lbt_0_1|/clone\n"
        "8|PENDING|0:00||ReqNodeNotAvail, UnavailableNodes:n1|rule_latency|/clone\n"
        "9|PENDING|0:00||Priority|rule_latency|/else|where\n"
        "10|PENDING|0:00||Priority|(null)|/other\n"
    )
    monkeypatch.setattr(slurm, "_ask", lambda *command: answer)
    running, waiting = queued_jobs(["/clone", "/clone/."])
    assert running == QueuedJob("7", "RUNNING", "1:02", "n1", "None", "round lbt_0_1") and not running.waits
    assert waiting.waits and waiting.name == "latency" and waiting.hopeless
    assert [job.number for job in queued_jobs(["/else|where"])] == ["9"]


@pytest.mark.parametrize(
    ("sacct", "scontrol", "state"),
    [
        ("CANCELLED by 0\n", None, "CANCELLED"),
        ("TIMEOUT\n", None, "TIMEOUT"),
        ("RUNNING\n", "JobId=7 JobName=lbt JobState=NODE_FAIL Reason=NodeDown\n", "NODE_FAIL"),
        (None, "JobId=7 JobName=lbt JobState=OUT_OF_MEMORY Reason=OutOfMemory ExitCode=0:125\n", "OUT_OF_MEMORY"),
        ("", None, ""),
    ],
)
def test_the_state_at_the_end(monkeypatch, sacct, scontrol, state):
    monkeypatch.setattr(slurm, "_ask", lambda *command: sacct if command[0] == "sacct" else scontrol)
    assert end_state("7") == state


def test_only_a_number_reaches_a_command(monkeypatch):
    monkeypatch.setattr(slurm, "_ask", lambda *command: pytest.fail(str(command)))
    assert end_state("7 --help") == end_state("") == end_state("$(id)") == ""


def test_without_slurm_nothing_is_known(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert queued_jobs(["/clone"]) is None and end_state("7") == "" and not slurm.gpus_of_cluster()
