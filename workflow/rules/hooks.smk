# What a run says and does before its first job, and after its last one if something failed.


def misjudged_outputs(jobs):
    """Lost and outdated files that these jobs make again."""
    return sorted(
        set(map(str, MISJUDGED)) & {str(f) for job in jobs for f in job.output}
    )


def require_no_finished_round(jobs):
    """Refuse to search rounds again only because their weights were removed."""
    from lbt.search.retention import refusal

    for job in jobs:
        reason = workflow.dag.reason(job)
        manifest = Path(str(job.output.get("manifest", "")))
        if job.rule.name != "round" or not manifest.is_file() or reason.forced:
            continue
        changed = (
            reason.updated_input,
            reason.updated_input_run,
            reason.params_changed,
            reason.code_changed,
            reason.input_changed,
        )
        if reason.missing_output and not any(changed):
            raise WorkflowError(
                refusal(manifest.parent, job.wildcards.method, SETTINGS.search.rounds)
            )


def keep_earlier(jobs):
    """Keep what these jobs replace until they have."""
    from lbt.earlier import keep

    try:
        for job in jobs:
            manifest = job.output.get("manifest")
            if manifest and os.path.exists(manifest):
                keep(Path(manifest))
    except OSError as error:
        print(
            f"{error.filename}: the files of before cannot be kept while others are made ({error.strerror}).",
            file=sys.stderr,
        )


onstart:
    from lbt.disk import check_disk

    jobs = list(workflow.dag.needrun_jobs())
    again = misjudged_outputs(jobs)
    if again:
        print(
            "Lost or outdated, made again with all that follows: "
            + ", ".join(again),
            file=sys.stderr,
        )
    require_no_finished_round(jobs)
    try:
        print(check_disk(SETTINGS, Path(RUN)), file=sys.stderr)
    except LbtError as error:
        raise WorkflowError(str(error))
    keep_earlier(jobs)


onerror:
    from lbt.failures import describe_failures, failed_job

    failed = list(map(failed_job, workflow.scheduler.failed))
    print(describe_failures(failed, COMMAND, list(map(Path, log))), file=sys.stderr)
