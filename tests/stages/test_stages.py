"""Each stage takes the sections that the table lists, and settings travel to it unchanged."""

import inspect
import json
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from lbt.config import Settings
from lbt.config.methods import METHODS
from lbt.config.read import read_settings
from lbt.stages.settings import parse_stage_settings, stage_settings, untracked_settings
from lbt.stages.table import STAGES

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = read_settings(ROOT / "config" / "config.yaml")


@pytest.mark.parametrize("name", STAGES)
def test_run_takes_exactly_the_listed_sections(name):
    parameters = inspect.signature(import_module(STAGES[name].module).run).parameters
    assert {p for p in parameters if p in Settings.model_fields} == set(STAGES[name].sections)
    assert {p for p in parameters if p in ("seed", "method", "round", "shard")} == set(STAGES[name].scalars)
    assert "log" in parameters
    assert ("resume" in parameters) == STAGES[name].resumes
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())


@pytest.mark.parametrize("name", STAGES)
def test_settings_arrive_as_they_left(name):
    job = {"seed": 3, "method": "lbt", "round": 2, "shard": 1}
    arguments = parse_stage_settings(stage_settings(SETTINGS, name, job), name, untracked_settings(SETTINGS, name))
    for section in STAGES[name].sections:
        whole, found = getattr(SETTINGS, section), arguments.pop(section)
        for key in STAGES[name].only.get(section, ()):
            assert attrgetter(key)(found) == attrgetter(key)(whole)
        if section not in STAGES[name].only:
            assert found == whole
    assert arguments == {scalar: job[scalar] for scalar in STAGES[name].scalars}


def test_a_setting_that_does_not_travel_cannot_be_read():
    text = stage_settings(SETTINGS, "label", {"seed": 0, "method": "lbt", "round": 1, "shard": 0})
    search = parse_stage_settings(text, "label", {"compute.workers": 0})["search"]
    assert search.shards == SETTINGS.search.shards
    with pytest.raises(AttributeError, match="epochs"):
        _ = search.epochs


def test_the_check_is_told_batch_sizes_that_it_does_not_compare():
    untracked = untracked_settings(SETTINGS, "check")
    assert untracked["search.student.batch_size"] == SETTINGS.search.student.batch_size
    arguments = parse_stage_settings(stage_settings(SETTINGS, "check", {}), "check", untracked)
    assert arguments["search"].student.batch_size == SETTINGS.search.student.batch_size
    assert arguments["retrain"].batch_size == SETTINGS.retrain.batch_size
    assert "batch_size" not in stage_settings(SETTINGS, "check", {})


def test_loader_processes_are_no_part_of_what_is_compared():
    more = SETTINGS.model_copy(update={"compute": SETTINGS.compute.model_copy(update={"workers": 4})})
    assert stage_settings(more, "warmup", {"seed": 0}) == stage_settings(SETTINGS, "warmup", {"seed": 0})
    assert untracked_settings(more, "warmup") == {"compute.workers": 4, "compute.checkpoint_minutes": 5.0}
    text = stage_settings(SETTINGS, "warmup", {"seed": 0})
    assert parse_stage_settings(text, "warmup", {"compute.workers": 4})["compute"].workers == 4


def test_a_round_sees_the_settings_of_its_method_and_not_those_of_others():
    def seen(method):
        job = {"seed": 0, "method": method, "round": 1}
        return set(json.loads(stage_settings(SETTINGS, "round", job))["search"])

    common = set(STAGES["round"].only["search"])
    assert seen("fasterseg") == seen("random") == common
    assert seen("lbt") == common | set(METHODS["lbt"].settings) and "pseudo_weight" in seen("lbt")
    assert seen("lpt") == common | {"student", "lpt"}
