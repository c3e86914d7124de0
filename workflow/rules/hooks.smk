# What a run says before its first job, and after its last one if something failed.


onstart:
    from lbt.disk import check_disk

    try:
        print(check_disk(SETTINGS, Path(RUN)), file=sys.stderr)
    except LbtError as error:
        raise WorkflowError(str(error))


onerror:
    from lbt.failures import describe_failures, failed_job

    failed = list(map(failed_job, workflow.scheduler.failed))
    print(describe_failures(failed, COMMAND), file=sys.stderr)
