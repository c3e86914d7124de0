"""Made-up scores and profiles of networks; the class `sign` has no pixel."""

from lbt.config.baselines import BASELINES
from lbt.views.budget import Budgets
from lbt.views.results import NetworkResult

BUDGETS = Budgets("the same steps", "retraining alone")
NAMES = ("road", "car", "sign")
KEY = {
    "device": "made up",
    "backend": "eager",
    "precision": "float32",
    "threads": 1,
    "input_height": 64,
    "input_width": 96,
    "software": "torch",
}


def make_scores(miou: float) -> dict:
    confusion = [[60, 20, 0], [5, 10, 5], [0, 0, 0]]
    return {
        "miou": miou,
        "pixel_accuracy": 0.7,
        "iou": {"road": 2 * miou - 0.1, "car": 0.1, "sign": None},
        "confusion": confusion,
    }


def network(method: str, seed: int, miou: float, milliseconds: float) -> NetworkResult:
    profile = {
        "median_ms": milliseconds,
        "p95_ms": milliseconds + 1,
        "fps": 1e3 / milliseconds,
        "predicted_ms": None if method in BASELINES else milliseconds - 0.5,
        "parts_ms": None if method in BASELINES else milliseconds - 0.2,
        "parameters": 1_000_000 + seed,
        "macs": 2_000_000_000,
        "key": KEY,
    }
    supernet = None if method in BASELINES else make_scores(miou - 0.1)
    return NetworkResult(method, seed, supernet, make_scores(miou), profile, (method, seed))
