"""Each stage sees the settings of its model and nothing else, and they reach it unchanged."""

import inspect
import json
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import get_origin

import pytest

from lbt.config import Section, Settings
from lbt.config.base import section_in
from lbt.config.jobs import ResumingJob
from lbt.config.methods import METHODS
from lbt.config.read import read_settings
from lbt.config.tabular import TabularSettings
from lbt.stages.table import STAGES
from lbt.stages.up_to_date import job_settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = read_settings(ROOT / "config" / "config.yaml").model_copy(update={"tabular": TabularSettings()})
JOB = {"seed": 3, "method": "lbt", "round": 2, "shard": 1, "job": 4}
tracked = partial(job_settings, tracked=True)


def parse(stage: str, values: dict, method: str = "lbt") -> Section:
    return STAGES[stage].model(method).model_validate_json(json.dumps(values))


def assert_part(found: Section, whole: Section) -> None:
    """Every key of the part has the value of the whole section."""
    for name, field in type(found).model_fields.items():
        value, expected = getattr(found, name), getattr(whole, name)
        if section_in(field.annotation) is not None and isinstance(value, Section):
            assert_part(value, expected)
        else:
            assert value == expected, name


@pytest.mark.parametrize("name", STAGES)
def test_run_takes_settings_and_files_and_at_most_ten_arguments(name):
    parameters = inspect.signature(import_module(STAGES[name].module).run).parameters
    assert list(parameters)[:2] == ["settings", "files"]
    assert set(parameters) - {"settings", "files"} <= {"resume", "code", "settings_digest", "log"}
    assert len(parameters) <= 10
    assert "log" in parameters
    assert ("resume" in parameters) == issubclass(STAGES[name].settings, ResumingJob)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", STAGES)
def test_settings_arrive_as_they_left(name, method):
    job = JOB | {"method": method}
    found = parse(name, job_settings(SETTINGS, name, job), method)
    for field in type(found).model_fields:
        if field in JOB:
            assert getattr(found, field) == job[field]
        elif field in ("run", "seeds", "methods", "baselines"):
            assert getattr(found, field) == getattr(SETTINGS, field)
        else:
            assert_part(getattr(found, field), getattr(SETTINGS, field))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", STAGES)
def test_a_stage_compares_the_keys_of_its_model(name, method):
    """Those without effect are not compared, and take their defaults where only compared ones are known."""
    compared = tracked(SETTINGS, name, JOB | {"method": method})
    found = parse(name, job_settings(SETTINGS, name, JOB | {"method": method}), method)
    assert compared == found.tracked()
    if name != "check":
        assert parse(name, compared, method).tracked() == found.tracked()


def test_a_setting_that_a_stage_does_not_see_cannot_be_read():
    search = parse("label", job_settings(SETTINGS, "label", JOB)).search
    assert search.shards == SETTINGS.search.shards
    with pytest.raises(AttributeError, match="epochs"):
        _ = search.epochs
    with pytest.raises(AttributeError, match="threshold"):
        _ = search.pseudo_labels.threshold


def test_the_check_is_told_batch_sizes_that_it_does_not_compare():
    found = parse("check", job_settings(SETTINGS, "check", {}))
    assert found.search.student.batch_size == SETTINGS.search.student.batch_size
    assert found.retrain.batch_size == SETTINGS.retrain.batch_size
    assert "batch_size" not in str(tracked(SETTINGS, "check", {}))


def test_settings_without_effect_are_not_compared():
    compute = SETTINGS.compute.model_copy(update={"workers": 4, "checkpoint_minutes": 1.0})
    search = SETTINGS.search.model_copy(update={"keep_every": SETTINGS.search.keep_every + 1})
    more = SETTINGS.model_copy(update={"compute": compute, "search": search})
    for name in STAGES:
        assert tracked(more, name, JOB) == tracked(SETTINGS, name, JOB)
    found = parse("round", job_settings(more, "round", JOB))
    assert (found.compute.workers, found.compute.checkpoint_minutes) == (4, 1.0)
    assert found.search.keep_every == SETTINGS.search.keep_every + 1


def test_a_round_sees_the_settings_of_its_method_and_not_those_of_others():
    def seen(method):
        return set(tracked(SETTINGS, "round", JOB | {"method": method})["search"])

    common = seen("fasterseg")
    assert "rounds" not in common and "student" not in common and seen("random") == common
    assert seen("lpt") == common | {"student", "lpt"}
    assert seen("lbt") - common >= {"student", "pseudo_weight", "gradient"} and "lpt" not in seen("lbt")
    lpt = parse("round", job_settings(SETTINGS, "round", JOB | {"method": "lpt"}), "lpt").search
    with pytest.raises(AttributeError, match="pseudo_weight"):
        _ = lpt.pseudo_weight


def test_only_a_random_network_depends_on_how_it_is_drawn():
    random, searched = (tracked(SETTINGS, "derive", JOB | {"method": m}) for m in ("random", "lbt"))
    assert set(random["search"]) == {"fps", "random_match", "random_tolerance"}
    assert set(searched["search"]) == {"fps"}


def test_no_stage_sees_a_whole_section_of_another_name():
    for stage in STAGES.values():
        for name, field in stage.settings.model_fields.items():
            inner = section_in(field.annotation)
            if inner is None or get_origin(field.annotation) is not None:
                continue
            whole = section_in(Settings.model_fields[name].annotation)
            assert set(inner.model_fields) <= set(whole.model_fields), (stage.module, name)
