"""Settings of the searches that a table scores."""

from types import SimpleNamespace

import pytest
import table_searches
from table_searches import CONFIGS, RATIOS, RUNS

from lbt.config.read import read_configuration
from lbt.data.splits import steps_for
from lbt.search.checkpoint_retention import keeps_weights


@pytest.mark.parametrize("run", [*RUNS, *RATIOS], ids=lambda run: run.name)
def test_every_run_has_valid_settings(run) -> None:
    words = run.command(2, 1)
    given = words[words.index("--config") + 1 : words.index("--")]
    settings = read_configuration(CONFIGS, given).settings
    assert settings.run == run.name and settings.seeds == (0, 1) and settings.methods == tuple(run.variants)
    assert settings.tabular is None and settings.search.latency_weight == 0 and settings.space.operators[0] == "conv"
    search = settings.search
    assert search.rounds == 5 and search.student.batch_size == 8
    if run in RATIOS:
        assert settings.run == f"lbt-bench-ratio-{search.pseudo_labels.ratio:g}"
        best = (search.student_memory, search.label_steps, search.student.model)
        assert best == (0.99, 3, "lraspp_mobilenet_v3_large")
    else:
        assert {key: getattr(search, key) for key in run.search} == run.search

    teacher, student = {"halves": (153, 153), "disjoint": (94, 90)}[settings.splits.scheme]  # images of both
    steps = [
        steps_for(settings.warmup.epochs, teacher, settings.warmup.batch_size),
        steps_for(search.epochs, teacher, search.batch_size),
        steps_for(search.student.warmup_epochs, student, search.student.batch_size),
    ]
    assert steps == [100, 60, 100]  # those of the plan


def test_the_labels_of_the_first_round_stay_until_its_gradients_are_measured() -> None:
    search = read_configuration(CONFIGS).settings.search
    assert keeps_weights(1, search.rounds, search.keep_every, at_work=False)


def test_a_search_that_stops_by_itself_does_not_keep_the_others_from_running(monkeypatch) -> None:
    started = []

    def run_workflow(words, **_):
        started.append(words[words.index("--config") + 1])
        return SimpleNamespace(returncode=int("--keep-going" not in words or len(started) == 1))

    monkeypatch.setattr(table_searches.subprocess, "run", run_workflow)
    with pytest.raises(SystemExit, match="Not all searches of lbt-bench-search are finished"):
        table_searches.main(["--seeds", "2"])
    assert started == [f'run="{run.name}"' for run in RUNS]
    table_searches.main(["--variants", "lpt"])
    assert len(started) == len(RUNS) + 1
