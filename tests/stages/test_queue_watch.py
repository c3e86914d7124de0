"""Jobs in Slurm's queue that can never start are named once."""

from lbt.stages.queue_watch import PATIENCE, QueueWatch
from lbt.stages.slurm import QueuedJob


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
