# The user's images and masks: a stage reruns if one that it reads has changed.
import json
from dataclasses import asdict

from snakemake.logging import logger

from lbt.data.file_versions import DataVersions
from lbt.stages.other_data import describe_other_data
from lbt.stages.up_to_date import versions_of_data

# The run hands the versions on to its jobs, which need not look at the data set again.
HANDED_ON = "LBT_DATA_VERSIONS"


if HANDED_ON in os.environ:
    handed_on = json.loads(os.environ[HANDED_ON])
    VERSIONS, NEW_RECORD = handed_on and DataVersions(**handed_on), {}
elif other := describe_other_data(SETTINGS, Path(RUN)):
    logger.warning(other)  # a dry-run goes on; a run is refused before its first job
    VERSIONS, NEW_RECORD = None, {}
else:
    try:
        VERSIONS, NEW_RECORD = versions_of_data(SETTINGS, logger.info)
    except LbtError as error:
        raise WorkflowError(str(error))
    os.environ[HANDED_ON] = json.dumps(VERSIONS and asdict(VERSIONS))
