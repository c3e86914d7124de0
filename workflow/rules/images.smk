# The user's images and masks: a stage reruns if one that it reads has changed.
import json
from dataclasses import asdict

from snakemake.logging import logger

from lbt.files import canonical_json
from lbt.data.file_versions import RECORD, DataVersions, data_versions

# From the run to its jobs, which need not look at the data set again.
HANDED_ON = "LBT_DATA_VERSIONS"


def inspect_again(samples):
    from lbt.data.checking.inspection import inspect_samples

    inspect_samples(SETTINGS.data, samples)


def versions_of_data():
    """What is compared of the user's data set; drawn scenes are compared by their description."""
    if not workflow.is_main_process:
        handed_on = json.loads(os.environ.get(HANDED_ON, "null"))
        return handed_on and DataVersions(**handed_on)
    record = Path(RUN, "data", RECORD)
    try:
        if SETTINGS.scenes is not None:
            from lbt.data.scenes.verify import require_unchanged_scenes

            require_unchanged_scenes(SETTINGS.scenes, Path(SETTINGS.data.root))
            return None
        return data_versions(
            SETTINGS.data,
            SETTINGS.splits,
            record,
            inspect=inspect_again,
            note=logger.info,
        )
    except LbtError as error:
        if SETTINGS.scenes is not None or record.exists():
            raise WorkflowError(str(error))
        return None  # the check lists this and everything else that is wrong


VERSIONS = versions_of_data()
os.environ[HANDED_ON] = json.dumps(VERSIONS and asdict(VERSIONS))


def versions_read(stage, method=""):
    """What a job compares of the images and masks that it reads; None if it reads none of the user's."""
    if VERSIONS is None or not compares_images(stage):
        return None
    if STAGES[stage].lists_images:
        return VERSIONS.split
    return VERSIONS.of(STAGES[stage].roles_read(method))


def images_of(stage):
    """The versions of the images and masks that a job reads, as text."""
    return lambda wildcards: canonical_json(
        versions_read(stage, wildcards.get("method", ""))
    )
