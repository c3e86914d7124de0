# What a run says and does before its first job, and after its last one if something failed.


def misjudged_outputs(jobs):
    """Lost and outdated files that these jobs make again."""
    return sorted(
        set(map(str, MISJUDGED)) & {str(f) for job in jobs for f in job.output}
    )


def require_no_finished_round(jobs):
    """Refuse to search rounds again only because their weights were removed."""
    from lbt.provenance.manifest import manifests, same_inputs, written
    from lbt.search.checkpoint_retention import refusal

    records = None
    for job in (job for job in jobs if job.rule.name == "round"):
        manifest, reason = Path(job.output.manifest), workflow.dag.reason(job)
        if (
            reason.forced
            or reason.updated_input_run
            or os.path.exists(job.output.checkpoint)
        ):
            continue
        records = manifests(Path(RUN)) if records is None else records
        content = records.get(manifest)
        if (
            content
            and EXPECTED.is_met(content)
            and same_inputs(manifest, content, written(records))
        ):
            raise WorkflowError(
                refusal(manifest.parent, job.wildcards.method, SETTINGS.search.rounds)
            )


def keep_earlier(jobs):
    """Keep what these jobs replace until they have."""
    from lbt.provenance.earlier import keep

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
    from lbt.stages.disk_space import check_disk

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
    from lbt.stages.failure_summary import describe_failures, failed_job

    failed = list(map(failed_job, workflow.scheduler.failed))
    print(describe_failures(failed, COMMAND, list(map(Path, log))), file=sys.stderr)
