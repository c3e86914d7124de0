"""Two processes that share every batch; they serve all tests of a session, because to start them takes seconds."""

import pytest
from pair import Pair


@pytest.fixture(scope="session")
def pair():
    started = Pair()
    yield started
    started.close()
