"""All commands, YAML and Python of the documentation run, on a finished run of the smallest size."""

import re
import subprocess
import sys

import pytest
import yaml
from clone import HERE, ROOT, Clone, QuickClone, with_value
from quick import quick_first

from lbt.config.read import parse_settings

PAGES = ("README.md", "config/README.md", "workflow/README.md", "results/README.md", "lbt/README.md")
LONGEST = 700
"""Words of the first page."""
COMMAND = r"lbt \w+ \S|snakemake --|conda env|pip install"
INSTALL = (
    "python3 -m venv .venv && . .venv/bin/activate && pip install -q -c constraints.txt -e '.[workflow]' "
    "&& snakemake --cores 8"
)
TRY = INSTALL.replace("'.[workflow]'", ".").replace("snakemake --cores 8", "lbt predict --example")
TEST = INSTALL.replace(".venv", ".venv-test").replace("workflow", "test").replace("snakemake --cores 8", "pytest")
CONDA = "conda env create -f environment.yml && conda activate lbt && pip install --no-deps -e . && snakemake --cores 8"
ELSEWHERE = {
    INSTALL: "the gate installs the same, and `snakemake --cores 8` is a test below",
    TRY: "the same install; tests of `lbt predict` run the rest",
    TEST: "the gate",
    "pip install av": "the tests need it, so `[test]` installs it",
    CONDA: "tests of environment.yml",
    "snakemake --cores 8 --resources gpu=1": "a test below",
    "snakemake --cores 8 --profile slurm": "tests/slurm",
    'squeue --me -o "%i %T %M %l %R %k"': "tests/slurm",
    "snakemake --unlock": "tests of killed runs",
    "snakemake --cores 8 --directory /data/runs": "tests of a start in any folder",
    "snakemake --report report.html": "the same with --configfile",
    "snakemake --cores 8 --configfile config/my-camera.yaml half.yaml": "tests of options",
    "snakemake --cores 8 --configfile config/my-camera.yaml one.yaml": "tests of options",
    "snakemake --cores 8 --configfile config/lbt-bench.yaml -- tabular": "tests of the stages of the table",
    "lbt init /data/my-camera/photos /data/my-camera/labels": "tests of `lbt init`",
    "lbt compare results/half results/one --output results/ratio": "tests of compared runs",
}
"""Commands that are tried in another place, and where."""
STANDS_FOR = {
    "results/default": "results/tiny",
    "results/data/scenes": "results/data/tiny",
    "config/my-camera.yaml": "tiny.yaml",
    "config/camvid.yaml": "tiny.yaml",
    "street.jpg": "street.png",
}


def blocks(language: str) -> list[str]:
    text = "\n".join((ROOT / page).read_text() for page in PAGES)
    return [block for found, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.M | re.S) if found == language]


def commands() -> list[str]:
    """The lines of blocks without a language, and inline code that begins as a command does."""
    text = "\n".join((ROOT / page).read_text() for page in PAGES)
    text = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.M | re.S)
    inline = [code for code in re.findall(r"`([^`\n]+)`", text) if re.match(COMMAND, code)]
    return sorted({line for block in blocks("") for line in block.splitlines() if line} | set(inline))


@pytest.fixture(scope="module")
def user(finished, tmp_path_factory) -> Clone:
    """A finished run in a folder of its own, with what the documentation names beside it."""
    clone = finished[0].copy(tmp_path_factory.mktemp("user") / "clone")
    clone.write_settings()
    (clone.folder / "tests").mkdir()
    image = next((clone.folder / "results/data/tiny/leftImg8bit/val").rglob("*.png"))
    (clone.folder / "street.png").write_bytes(image.read_bytes())
    return clone


def on_the_tiny_run(text: str) -> str:
    for name, other in STANDS_FOR.items():
        text = text.replace(name, other)
    return text


@pytest.mark.parametrize("command", quick_first(0, [line for line in commands() if line not in ELSEWHERE]))
def test_a_command_runs(user, command):
    assert "<" not in command, "write an example in place of the word in angle brackets"
    words = on_the_tiny_run(command)
    result = subprocess.run(words, shell=True, cwd=user.folder, env=user.environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]


def test_what_is_tried_elsewhere_is_still_written():
    assert set(ELSEWHERE) <= set(commands())
    assert TEST in (ROOT / ".ci/run").read_text()


def test_the_first_command_finds_its_settings(user):
    command = [user.python, "-m", "snakemake", "--cores", "8", "--dry-run"]
    result = subprocess.run(command, cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "results/default/tables/miou.html" in result.stdout, result.stderr


@pytest.mark.exhaustive
def test_one_job_on_a_gpu_at_a_time(tmp_path, monkeypatch):
    """The jobs count as jobs on a GPU where the machine is said to have one."""
    monkeypatch.setenv("LBT_HAS_GPUS", "1")
    clone = QuickClone(tmp_path, HERE / "tiny.yaml")
    clone.settings["compute"]["device"] = "auto"
    for limit, most in (("gpu=1", 1), ("gpu=2", 2)):
        result = clone.snakemake("--no-hooks", "--cores", "8", "--forceall", "--until", "label", "--resources", limit)
        assert result.returncode == 0, result.stderr
        together = [int(count) for count in re.findall(r"^Execute (\d+) jobs", result.stderr, re.MULTILINE)]
        assert max(together) == most and result.stderr.count("rule label:") == 2


@pytest.mark.parametrize("block", blocks("python"))
def test_a_piece_of_python_runs(user, block):
    command = [sys.executable, "-c", on_the_tiny_run(block)]
    result = subprocess.run(command, cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_piece_of_yaml_is_a_setting(block):
    content, settings = yaml.safe_load(block), yaml.safe_load((ROOT / "config/config.yaml").read_text())
    if "data" in content:
        settings = {"data": {}}
    for section, values in content.items():
        for key, value in values.items() if isinstance(values, dict) else ():
            settings = with_value(settings, f"{section}.{key}", value)
    parse_settings(settings, "README.md")


def test_the_first_page_is_short():
    """By the count of `wc -w`."""
    assert len((ROOT / "README.md").read_text().split()) <= LONGEST


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in t]
    assert all((ROOT / page).parent.joinpath(target).exists() for target in targets), targets
