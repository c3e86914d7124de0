"""The budget in words: whole steps of warm-up, search and retraining, each with its own images and batch size."""

import pytest

from lbt.config import RetrainSettings, SearchSettings, Settings, WarmupSettings
from lbt.config.jobs import pick_settings
from lbt.config.network_jobs import TablesJob
from lbt.data.sample import Sample
from lbt.data.splits import read_split, training_samples
from lbt.views import budget


@pytest.fixture
def describe(monkeypatch):
    """`describe(**sections)`: the budget for 10 images of teacher_train and 16 training images."""
    images = [Sample(str(number), f"{number}.png", f"{number}-mask.png", "") for number in range(16)]
    parts = {"teacher_train": images[:10]}
    monkeypatch.setattr(budget, "read_split", lambda split, role: parts[role])
    monkeypatch.setattr(budget, "training_samples", lambda split: images)

    def describe(warmup, search, retrain):
        settings = Settings(
            warmup=WarmupSettings(**warmup), search=SearchSettings(**search), retrain=RetrainSettings(**retrain)
        )
        return budget.describe_budgets("split.csv", pick_settings(TablesJob, settings))

    return describe


WARMUP = {"epochs": 3.0, "batch_size": 5}  # 3 passes over 10 images: 6 steps
SEARCH = {"rounds": 7, "epochs": 2.0, "batch_size": 4}  # 2 passes over 10 images: 5 steps
RETRAIN = {"epochs": 2.0, "batch_size": 8}  # 2 passes over 16 images: 4 steps
STEPS = "warm-up 6 + search 7 x 5 + retrain 4 steps"


def test_each_part_counts_its_own_steps(describe):
    assert describe(WARMUP, SEARCH, RETRAIN).method == STEPS


def test_a_co_search_and_inherited_weights_belong_to_the_budget(describe):
    cosearch, inherited = SEARCH | {"cosearch": True}, RETRAIN | {"initial": "supernet"}
    guide = ", with a co-searched network of the same budget to distil from"
    weights = ", retrained from the supernet's weights"
    assert describe(WARMUP, cosearch, RETRAIN).method == STEPS + guide
    assert describe(WARMUP, SEARCH, inherited).method == STEPS + weights
    assert describe(WARMUP, cosearch, inherited).method == STEPS + guide + weights


def test_a_baseline_has_the_retraining_alone_and_inherits_nothing(describe):
    """It has neither a supernet nor a guide, whatever those of the methods have."""
    for search, retrain in ((SEARCH, RETRAIN), (SEARCH | {"cosearch": True}, RETRAIN | {"initial": "supernet"})):
        budgets = describe(WARMUP, search, retrain)
        assert budgets.of("fast_scnn") == budgets.baseline == "retrain 4 steps from random weights"
        assert budgets.of("lbt") == budgets.of("random") == budgets.method


def test_the_images_are_those_of_the_split(tiny):
    """Warm-up and search see teacher_train, the retraining all labelled images of the official training part."""
    settings = pick_settings(TablesJob, tiny.settings)
    single = settings.model_copy(
        update={
            name: getattr(settings, name).model_copy(update={"epochs": 1.0, "batch_size": 1})
            for name in ("warmup", "search", "retrain")
        }
    )
    teacher, all_labelled = len(read_split(tiny.split, "teacher_train")), len(training_samples(tiny.split))
    assert teacher < all_labelled
    text = budget.describe_budgets(tiny.split, single).method
    rounds = settings.search.rounds
    assert text.startswith(f"warm-up {teacher} + search {rounds} x {teacher} + retrain {all_labelled} steps")
