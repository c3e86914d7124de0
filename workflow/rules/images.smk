# The user's images and masks: a stage reruns if one that it reads has changed.
from snakemake.logging import logger

from lbt.data.contents import RECORD, data_versions
from lbt.stages import roles_read


def inspect_again(samples):
    from lbt.data.inspection import inspect_samples

    inspect_samples(SETTINGS.data, samples)


def versions_of_data():
    """What is compared of the user's data set; drawn scenes are compared by their description.

    Jobs parse these rules too, and need not look at the data set for that.
    """
    if SETTINGS.scenes is not None or not workflow.is_main_process:
        return None
    record = Path(RUN, "data", RECORD)
    try:
        return data_versions(
            SETTINGS.data,
            SETTINGS.splits,
            record,
            inspect=inspect_again,
            note=logger.info,
        )
    except LbtError as error:
        if record.exists():
            raise WorkflowError(str(error))
        return None  # the check lists this and everything else that is wrong


VERSIONS = versions_of_data()


def images_of(stage):
    """The versions of the images and masks that a job reads."""

    def versions(wildcards):
        return VERSIONS and VERSIONS.of(roles_read(stage, wildcards.get("method", "")))

    return versions
