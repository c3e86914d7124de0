"""Files beside the code: what continuous integration runs, the image, the catalogue's file, the changelog."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from test_environment import PROJECT, WORKFLOW

import lbt

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
GATE = (ROOT / ".ci/run").read_text().splitlines()
STYLE = [line for line in GATE if line.split()[:1] and line.split()[0] in ("ruff", "snakefmt", "lint-imports", "mypy")]
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
STEPS = {job: [step.get("run", "") for step in content["steps"]] for job, content in CI["jobs"].items()}
DOCKERFILE = re.sub(r"\\\n", "", (ROOT / "Dockerfile").read_text())
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if line and not line.startswith("#")]


def test_the_commands_of_the_readme_run_in_ci_as_they_are_written():
    blocks = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 3
    assert [command for command in commands if command in STEPS["run"]] == commands[:2]
    assert [command for command in commands if command in STEPS["test"]] == commands[2:]


def test_the_checks_of_style_are_the_same_everywhere():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert len(STYLE) == 5
    assert [hook["entry"] for hook in hooks] == STYLE == STEPS["test"][-1].splitlines()[1:]


def test_actions_have_a_version_and_no_more_rights_than_reading():
    used = [step["uses"] for job in CI["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)
    assert CI["permissions"] == {"contents": "read"}


def test_pythons_of_ci_may_install_it():
    supported = SpecifierSet(PROJECT["requires-python"])
    versions = CI["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert all(version in supported for version in versions) and min(versions, key=Version) == "3.11"


def test_the_catalogue_finds_what_it_needs():
    content = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert content.keys() == {"usage"} and content["usage"].keys() == {"mandatory-flags", "software-stack-deployment"}
    deployment = content["usage"]["software-stack-deployment"]
    assert deployment.keys() == {"conda", "apptainer", "apptainer+conda", "report"}
    assert deployment["conda"] is True  # every rule has environment.yml: tests/test_environment.py
    assert deployment["apptainer"] is any("container:" in path.read_text() for path in rules())
    assert all((ROOT / name).is_file() for name in ("workflow/Snakefile", "config/README.md", "config/config.yaml"))
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", README.lower()))


def rules():
    return [ROOT / "workflow/Snakefile", *(ROOT / "workflow/rules").iterdir()]


def test_the_workflow_demands_the_snakemake_that_is_declared():
    (version,) = re.findall(r'^min_version\("(.+)"\)$', (ROOT / "workflow/Snakefile").read_text(), re.MULTILINE)
    (needed,) = (need for need in WORKFLOW if need.name == "snakemake")
    assert f">={version}" in map(str, needed.specifier)


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert PROJECT["version"] == lbt.__version__ == citation["version"] == headings[0]


def test_the_image_is_built_from_the_lock_and_runs_as_nobody_special():
    words = [word for word, _ in INSTRUCTIONS]
    assert words[0] == "FROM" and set(words) <= {"FROM", "WORKDIR", "COPY", "RUN", "USER", "CMD"}
    base = INSTRUCTIONS[0][1]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", base)
    assert base.split(":")[1].split("-")[0] in SpecifierSet(PROJECT["requires-python"])
    copied = [rest.split()[:-1] for word, rest in INSTRUCTIONS if word == "COPY"]
    assert all((ROOT / name).exists() for names in copied for name in names)
    installs = [rest for word, rest in INSTRUCTIONS if word == "RUN" and "pip install" in rest]
    assert "--require-hashes" in installs[0] and "requirements.lock" in installs[0] and "--no-deps" in installs[1]
    assert all("--no-cache-dir" in line for line in installs)
    assert [rest for word, rest in INSTRUCTIONS if word == "USER"] == ["lbt"] and words[-1] == "CMD"
    for path in re.findall(r"/lbt/(\S+?)[\"\s]", DOCKERFILE + " ".join(STEPS["image"])):
        assert (ROOT / path).exists(), path


def test_the_top_folder_holds_what_belongs_there():
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    folders = {name.split("/")[0] for name in listed if "/" in name}
    assert {name for name in folders if name[0] != "."} == {"config", "lbt", "results", "tests", "workflow"}
