# What was stopped or copied: files that Snakemake's own records misjudge. `lbt.provenance.outdated` and `lbt.provenance.earlier` say why.
from snakemake.io import IOFile

from lbt.provenance.earlier import bring_back
from lbt.stages.up_to_date import Expected
from lbt.provenance.outdated import lost, stale, unrecorded

EXPECTED = Expected(SETTINGS, versions_read)


def brought_back():
    """Files of before a rerun that was stopped, if the settings are again those of before."""
    at_work = any(Path(".snakemake", "locks").glob("*"))
    if at_work or not workflow.is_main_process:
        return []
    try:
        found = bring_back(Path(RUN), EXPECTED.is_met)
    except OSError as error:
        raise WorkflowError(
            f"{error.filename}: could not be put back ({error.strerror}). Make the folder writable."
        )
    if found:
        logger.info(
            f"{len(found)} file(s) are as they were before a rerun that was stopped, such as {found[0]}."
        )
    return found


BACK = brought_back()
MISJUDGED = stale(Path(RUN)) + lost(Path(RUN)) if workflow.is_main_process else []


def recorded(file):
    return workflow.persistence.metadata(IOFile(file)) is not None


def made_again_with(file):
    """The file, as the input of a job that every run has: as Snakemake asks for it, what it misjudges is forced."""

    def look(wildcards):
        if workflow.is_main_process:
            for back in map(str, BACK):  # they are not incomplete any more
                workflow.persistence.cleanup_metadata(IOFile(back))
            again = MISJUDGED + unrecorded(Path(RUN), recorded, EXPECTED.is_met)
            workflow.dag.forcefiles.update(map(str, again))
        return file

    return look
