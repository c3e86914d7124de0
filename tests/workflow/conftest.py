"""A finished run at the smallest size, shared by the tests; one that changes its files works on a copy."""

import pytest
from clone import Clone


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    clone = Clone(tmp_path_factory.mktemp("clone"))
    result = clone.snakemake()
    assert result.returncode == 0, result.stderr[-4000:]
    return clone, result
