"""Two networks of one method and one of another, with made-up scores."""

import pytest
from made_scores import network

from lbt.views.results import NetworkResult


@pytest.fixture
def networks() -> list[NetworkResult]:
    return [network("lbt", 0, 0.3, 5.0), network("lbt", 1, 0.4, 6.0), network("random", 0, 0.25, 4.0)]


@pytest.fixture
def constant() -> dict:
    return {
        "class": "road",
        "miou": 0.2,
        "iou": {"road": 0.4, "car": 0.0, "sign": None},
        "confusion": [[80, 0, 0], [20, 0, 0], [0, 0, 0]],
    }
