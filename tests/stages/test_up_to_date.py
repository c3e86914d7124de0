"""What a manifest records, compared with the present; the manifest may be a stranger's."""

import pytest

from lbt.config import Settings
from lbt.provenance.manifest import Manifest
from lbt.stages.up_to_date import describe_present, find_changes

JOB = {"seed": 0, "method": "lbt", "round": 1}


def manifest(stage="round", **values):
    now = describe_present(Settings(), None, "round", JOB)
    return Manifest.model_construct(stage=stage, **now | {"settings": now["settings"] | values})


def test_a_manifest_of_now_has_no_changes():
    assert find_changes(manifest(), Settings(), None) == []
    assert find_changes(manifest(round=2), Settings(), None) == []
    assert find_changes(manifest(data={}), Settings(), None) == ["settings"]


@pytest.mark.parametrize(
    "values",
    [{"stage": "ratio"}, {"method": "x"}, {"method": ""}, {"method": []}, {"seed": 9}, {"seed": {}}, {"round": "x"}],
)
def test_a_job_that_the_run_does_not_have_is_not_compared(values):
    assert find_changes(manifest(**values), Settings(), None) is None
