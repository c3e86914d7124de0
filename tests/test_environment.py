"""environment.yml: what conda, and `snakemake --sdm conda`, would make of it, checked without either."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]
PIP = [line for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]
# conda's match specification: a name, and after a blank or an operator the versions, such as `python >=3.11,<4`
SPEC = re.compile(r"[a-z0-9_.-]+( *(=|==|!=|<|>|<=|>=|~=)[0-9][0-9A-Za-z.*]*(,(<|>|<=|>=|!=)[0-9][0-9A-Za-z.*]*)*)?")


def test_it_has_the_keys_and_the_specifications_that_conda_reads():
    assert ENVIRONMENT.keys() == {"name", "channels", "dependencies"}
    assert all(isinstance(channel, str) for channel in ENVIRONMENT["channels"])
    assert CONDA and all(SPEC.fullmatch(spec) for spec in CONDA), CONDA
    assert "pip" in CONDA  # conda warns where a pip section comes without it


def test_it_installs_what_the_project_needs():
    """The same requirements; the package itself comes from the clone, in which the workflow runs its jobs."""
    listed = {requirement.name: requirement.specifier for requirement in map(Requirement, PIP)}
    assert listed == {need.name: need.specifier for need in map(Requirement, PROJECT["dependencies"])}
    (python,) = (spec.removeprefix("python").strip() for spec in CONDA if spec.startswith("python"))
    assert SpecifierSet(python) == SpecifierSet(PROJECT["requires-python"])


def test_every_rule_runs_in_it():
    for path in (ROOT / "workflow" / "rules").iterdir():
        text = path.read_text()
        rules = re.findall(r"^ *rule \w+:", text, re.MULTILINE)
        named = re.findall(r'^ *conda:\n *"(.*)"$', text, re.MULTILINE)
        assert len(named) == len(rules), path.name
        assert all((path.parent / file).resolve() == ROOT / "environment.yml" for file in named)
