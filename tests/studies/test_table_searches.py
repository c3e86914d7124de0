"""Settings of the searches that a table scores."""

import pytest
from table_searches import CONFIGS, RATIOS, RUNS

from lbt.config.read import read_configuration


@pytest.mark.parametrize("run", [*RUNS, *RATIOS], ids=lambda run: run.name)
def test_every_run_has_valid_settings(run) -> None:
    words = run.command(2, 1)
    given = words[words.index("--config") + 1 : words.index("--")]
    settings = read_configuration(CONFIGS, given).settings
    assert settings.run == run.name and settings.seeds == (0, 1) and settings.methods == tuple(run.variants)
    assert settings.tabular is None and settings.search.latency_weight == 0 and settings.space.operators[0] == "conv"
    assert settings.search.rounds == 5 and settings.search.student.batch_size == 8
    for key, value in run.search.items():
        found = settings.search.pseudo_labels.ratio if key == "pseudo_labels" else getattr(settings.search, key)
        assert found == (value["ratio"] if key == "pseudo_labels" else value)
