# Work before the first job of a run, and messages after its last one.
from lbt.stages.run_follower import RunFollower

FOLLOWER = RunFollower(logger, Path(RUN), SETTINGS)


onstart:
    from lbt.data.file_versions import RECORD, write_record
    from lbt.stages.disk_space import check_disk
    from lbt.stages.job_message import forget_messages
    from lbt.stages.preconditions import require_preconditions

    try:
        require_preconditions(SETTINGS, Path(RUN))
        needs = check_disk(SETTINGS, Path(RUN), cores=workflow.cores)
        print(needs.splitlines()[0], file=sys.stderr)
        if NEW_RECORD:  # so that the next start need not read these images again
            write_record(Path(RUN, "data", RECORD), NEW_RECORD)
        forget_messages(LOGS)
        FOLLOWER.start()
    except LbtError as error:
        raise WorkflowError(str(error))


onerror:
    from lbt.stages.failure_summary import describe_failures

    FOLLOWER.end("failed")
    run_log = log if isinstance(log, str) else ", ".join(log)
    print(describe_failures(LOGS, COMMAND, run_log), file=sys.stderr)


onsuccess:
    from lbt.stages.finished_searches import drop_second_last_rounds

    drop_second_last_rounds(SETTINGS, Path(RUN))
    FOLLOWER.end("finished")
    if os.path.exists(f"{RUN}/tables/summary.md"):
        from lbt.views.tables.terminal import print_tables

        print_tables(Path(RUN), ("summary",))
