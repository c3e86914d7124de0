"""Two processes that share every batch; all tests of a session use them, because starting them takes seconds."""

import pytest
from pair import Pair


@pytest.fixture(scope="session")
def pair():
    started = Pair()
    yield started
    started.close()
