"""The table of reruns.yaml has a row for every setting, and agrees with the modules that each stage imports."""

import re

import pytest
from clone import ROOT
from predicted import modules_of, setting_keys
from rerun_table import SETTINGS, TABLE, WORKFLOW_READS

from lbt.config.methods import METHODS
from lbt.provenance.fingerprint import find_imports
from lbt.stages.table import STAGES


def test_every_setting_has_a_row():
    """Write the row of a new setting, and think about which stages depend on it."""
    played = {key for row in TABLE["played"] for key in row["change"]}
    assert SETTINGS.keys() | played == set(setting_keys())


def test_what_the_workflow_reads_is_played():
    assert {"search.rounds", "seeds", "search.student.weights"} <= WORKFLOW_READS
    played = {key for row in TABLE["played"] for key in row["change"]}
    assert played >= WORKFLOW_READS


def test_each_rule_has_the_parameters_of_its_stage():
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").iterdir())
    found = re.findall(r'rule (\w+):.*?params_of\("(\w+)"\)', rules, re.DOTALL)
    assert found and all(rule == stage for rule, stage in found) and {rule for rule, _ in found} == set(STAGES)


@pytest.mark.parametrize("row", TABLE["edits"], ids=lambda row: row["edit"])
def test_an_edit_reruns_what_the_table_says(row):
    for module in row["modules"]:
        assert {stage for stage in STAGES if module in modules_of(stage)} == set(row["rerun"]), module


@pytest.mark.parametrize("method", METHODS)
def test_a_round_depends_on_few_modules(method):
    """Not on another method, a stage, a stopwatch, a folder layout or an output for people."""
    modules = set(find_imports(STAGES["round"].module, f"lbt.search.methods.{method}"))
    assert len(modules) <= 75
    assert {module for module in modules if module in {stage.module for stage in STAGES.values()}} == {
        "lbt.search.round"
    }
    methods = {module.split(".")[3] for module in modules if module.startswith("lbt.search.methods.")}
    assert methods == {method}
    others = ("views", "derivation", "inference", "evaluation", "stages", "commands", "data.checking", "data.scenes")
    stopwatch = ("latency.timing", "latency.measuring", "latency.measure_table", "latency.profiler")
    layouts = ("data.layouts", "data.folder_layout", "data.find_files", "data.write_split", "data.file_versions")
    unwanted = tuple(f"lbt.{name}" for name in (*others, *stopwatch, *layouts))
    assert not [module for module in modules if module.startswith(unwanted)]
