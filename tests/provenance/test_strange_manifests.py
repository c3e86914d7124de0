"""A stranger's manifest ends in one message, or the results are judged as before or as outdated."""

from pathlib import Path

import pytest
from watched_cases import check_cases, run_cases


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.exhaustive)])
def test_a_spoiled_manifest_ends_in_a_message_or_is_judged(tmp_path, count):
    found = run_cases("strange_manifests:case", count, tmp_path, modules=(str(Path(__file__).parent),))
    check_cases(found, count, {"refused", "same", "outdated"})
