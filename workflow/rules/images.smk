# The user's images and masks: a stage reruns if one that it reads has changed.
import json
from dataclasses import asdict

from snakemake.logging import logger

from lbt.data.file_versions import RECORD, DataVersions, write_record
from lbt.stages.up_to_date import versions_of_data

# The run hands the versions on to its jobs, which need not look at the data set again.
HANDED_ON = "LBT_DATA_VERSIONS"


if HANDED_ON in os.environ:
    handed_on = json.loads(os.environ[HANDED_ON])
    VERSIONS, NEW_RECORD = handed_on and DataVersions(**handed_on), {}
else:
    try:
        VERSIONS, NEW_RECORD = versions_of_data(SETTINGS, logger.info)
    except LbtError as error:
        raise WorkflowError(str(error))
    os.environ[HANDED_ON] = json.dumps(VERSIONS and asdict(VERSIONS))


def update_record():
    """Record the present contents of the images, so that the next start need not read them again."""
    if NEW_RECORD:
        write_record(Path(RUN, "data", RECORD), NEW_RECORD)
