"""What is installed: environment.yml as conda would read it, and whether all that is imported is declared."""

import re
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import snakemake.report
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
CONDA = [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]
PIP = [line for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict) for line in entry["pip"]]
# conda's match specification: a name, and after a blank or an operator the versions, such as `python >=3.11,<4`
SPEC = re.compile(r"[a-z0-9_.-]+( *(=|==|!=|<|>|<=|>=|~=)[0-9][0-9A-Za-z.*]*(,(<|>|<=|>=|!=)[0-9][0-9A-Za-z.*]*)*)?")


def needs_of(*extras: str) -> list[Requirement]:
    """The requirements of the package, and of these extras with the extras that they include."""
    found, pending = list(map(Requirement, PROJECT["dependencies"])), list(extras)
    while pending:
        for need in map(Requirement, EXTRAS[pending.pop()]):
            if need.name == PROJECT["name"]:
                pending += need.extras
            else:
                found.append(need)
    return found


WORKFLOW = needs_of("workflow")


def test_it_has_the_keys_and_the_specifications_that_conda_reads():
    assert ENVIRONMENT.keys() == {"name", "channels", "dependencies"}
    assert all(isinstance(channel, str) for channel in ENVIRONMENT["channels"])
    assert CONDA and all(SPEC.fullmatch(spec) for spec in CONDA), CONDA
    assert "pip" in CONDA  # conda warns where a pip section comes without it


def test_it_installs_what_the_project_needs():
    """The same requirements; the package itself comes from the clone, in which the workflow runs its jobs."""
    listed = {requirement.name: requirement.specifier for requirement in map(Requirement, PIP)}
    assert listed == {need.name: need.specifier for need in WORKFLOW} and len(listed) == len(WORKFLOW)
    (python,) = (spec.removeprefix("python").strip() for spec in CONDA if spec.startswith("python"))
    assert SpecifierSet(python) == SpecifierSet(PROJECT["requires-python"])


def test_each_extra_is_part_of_the_tests():
    everything = {need.name for extra in EXTRAS for need in needs_of(extra)}
    assert EXTRAS.keys() >= {"workflow", "export", "test"}
    assert everything == {need.name for need in needs_of("test")}


def test_every_rule_runs_in_it():
    for path in (ROOT / "workflow" / "rules").iterdir():
        text = path.read_text()
        rules = re.findall(r"^ *rule \w+:", text, re.MULTILINE)
        assert text.count("conda:\n") == len(re.findall(r"^ *conda:\n *ENVIRONMENT$", text, re.MULTILINE)) == len(rules)
    assert 'ROOT / "environment.yml"' in (ROOT / "workflow" / "rules" / "common.smk").read_text()


def installed_with(names: list[str]) -> set[str]:
    """Distributions that pip installs with these, without extras."""
    found, pending = set(), [canonicalize_name(name) for name in names]
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        with suppress(PackageNotFoundError):  # of another platform
            needs = map(Requirement, distribution(name).requires or [])
            pending += [
                canonicalize_name(n.name) for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})
            ]
    return found


def test_a_report_needs_no_package_of_the_tests():
    """What Snakemake imports only when it makes a report, and does not bring."""
    files = Path(snakemake.report.__file__).parent.rglob("*.py")
    needed = {
        name for file in files for name in re.findall(r"Python package (\w+) must be installed", file.read_text())
    }
    installed = installed_with([need.name for need in WORKFLOW])
    assert "pygments" in needed and needed <= installed


def test_every_import_is_declared():
    """Packages that come only with others may go with them. Videos need a package that is installed on demand."""
    files = [*(ROOT / "lbt").rglob("*.py"), *(ROOT / "workflow").rglob("*.smk"), ROOT / "workflow" / "Snakefile"]
    lines = [line for file in files for line in re.findall(r"^ *(?:from|import) (\w+)", file.read_text(), re.MULTILINE)]
    modules = set(lines) - set(sys.stdlib_module_names) - {"lbt"}
    offered = packages_distributions()
    declared = {canonicalize_name(need.name) for need in needs_of("workflow", "video")}
    missing = {m for m in modules if not declared & {canonicalize_name(name) for name in offered.get(m, [m])}}
    assert not missing


def test_tests_of_a_file_share_a_process(request, worker_id):
    """Otherwise each process would make the same long fixtures."""
    assert worker_id == "master" or request.node.nodeid.endswith("@tests/test_environment.py")
