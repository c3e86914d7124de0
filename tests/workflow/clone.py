"""A copy of the project in an empty folder, as after cloning, and runs of Snakemake in it."""

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from fork_server import forked_python

PYTHON = Path(sys.executable)
ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CLONED = ("workflow", "lbt", "config", "slurm", "environment.yml", "CITATION.cff")
ALWAYS, SOMETIMES = (ROOT / "results" / "README.md").read_text().split("## Only with some settings")
"""The artefacts of every run, and those that only some settings produce."""


@dataclass(frozen=True)
class Job:
    """A job that Snakemake listed."""

    rule: str
    wildcards: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def scalars(self) -> dict[str, int | str]:
        """The wildcards with the types that the stages get."""
        return {key: value if key == "method" else int(value) for key, value in self.wildcards}


class Clone:
    """A copy of the project's files in an empty folder, without an installed package.

    Args:
        folder: the empty folder.
        settings: the file of settings with which Snakemake runs.
        python: runs Snakemake and its jobs. By default they are forks of a process that has imported PyTorch.
    """

    def __init__(self, folder: Path, settings: Path = HERE / "tiny.yaml", python: Path | None = None) -> None:
        self.folder = folder
        self.python = python or forked_python()
        for name in CLONED:
            source = ROOT / name
            take = shutil.copytree if source.is_dir() else shutil.copy
            take(source, folder / name)
        self.settings = yaml.safe_load(settings.read_text())

    def copy(self, folder: Path) -> "Clone":
        """A copy of all files, results and records of Snakemake in a new folder."""
        twin = copy(self)
        twin.folder = shutil.copytree(self.folder, folder, symlinks=True)
        return twin

    @property
    def environment(self) -> dict[str, str]:
        """Rules call `python`: the one in `bin` of the clone if there is one, or the clone's own."""
        folders = self.folder / "bin", self.python.parent, PYTHON.parent
        path = os.pathsep.join((*map(str, folders), os.environ["PATH"]))
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "COLUMNS")}
        return kept | {"PATH": path, "OMP_NUM_THREADS": "1"}

    def write_settings(self) -> list[str]:
        """Write the settings; returns the arguments with which Snakemake reads them."""
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(self.settings))
        return ["--cores", "2", "--configfile", "tiny.yaml"]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        command = [self.python, "-m", "snakemake", *self.write_settings(), *arguments]
        environment = self.environment
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, check=False)

    def would_run(self, *arguments: str) -> list[Job]:
        """The jobs that Snakemake would run now."""
        result = self.snakemake("--dry-run", *arguments)
        assert result.returncode == 0, result.stderr + result.stdout
        return listed(result.stdout + result.stderr)

    def would_rerun(self, *arguments: str) -> set[str]:
        """The rules of the jobs that Snakemake would run now."""
        return {job.rule for job in self.would_run(*arguments)}

    @contextmanager
    def changed(self, values: dict[str, Any]) -> Iterator[None]:
        """Other values of dotted keys inside the block."""
        before = self.settings
        for key, value in values.items():
            self.settings = with_value(self.settings, key, value)
        try:
            yield
        finally:
            self.settings = before


class QuickClone(Clone):
    """A clone whose stages are not run: they only write their files."""

    def __init__(self, folder: Path, settings: Path, python: Path | None = None) -> None:
        super().__init__(folder, settings, python)
        (folder / "bin").mkdir()
        shutil.copy(HERE / "stub_python", folder / "bin" / "python")

    def finish(self) -> None:
        """Run everything except the hooks at start and end, which need files with real content."""
        result = self.snakemake("--no-hooks")
        assert result.returncode == 0, result.stderr


def listed(text: str) -> list[Job]:
    """The jobs in the output of a dry-run, without the target."""
    jobs = []
    for rule, block in re.findall(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", text, re.MULTILINE):
        fields = dict(re.findall(r"^    (\w+): (.*)$", block, re.MULTILINE))
        wildcards = [pair.split("=") for pair in fields.get("wildcards", "").split(", ") if pair]
        files = [tuple(filter(None, fields.get(name, "").split(", "))) for name in ("input", "output")]
        jobs.append(Job(rule, tuple((key, value) for key, value in wildcards), *files))
    return [job for job in jobs if job.rule != "all"]


def with_value(settings: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The settings with another value of a dotted key."""
    settings = deepcopy(settings)
    *path, last = key.split(".")
    section = settings
    for part in path:
        section[part] = section.get(part) or {}
        section = section[part]
    section[last] = value
    return settings


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


def artefacts(run: Path, name: str) -> list[Path]:
    """The files of a run that a documented artefact's name describes."""
    pattern = name.replace("search/...", "search/*/seed-*/round-*").replace("search/lbt/...", "search/lbt/*/round-*")
    return list(run.glob(re.sub(r"<\w+>", "*", pattern)))
