"""A run that starts in another folder than the clone, without a file of settings; what `check` and the run say."""

import subprocess

import pytest
from clone import Clone

SMALL = 'scenes={"train": 8, "val": 2, "test": 2, "height": 32, "width": 32}'


def start(clone, folder, *arguments):
    """Run Snakemake in a folder, with the settings of the clone's profile."""
    command = [clone.python, "-m", "snakemake", "--cores", "1", *map(str, arguments)]
    environment = clone.environment
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, check=False)


def check(clone, *arguments):
    """`lbt check` in the clone."""
    command = [clone.python, "-m", "lbt", "check", *map(str, arguments)]
    environment = clone.environment
    return subprocess.run(command, cwd=clone.folder, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("how", ["-s", "-d"])
def test_the_default_settings_are_found_from_any_folder(tmp_path, how):
    clone, elsewhere = Clone(tmp_path / "clone"), tmp_path / "else where"
    elsewhere.mkdir()
    arguments = ["--config", SMALL, "run=there", "--until", "scenes"]
    if how == "-s":
        result = start(clone, elsewhere, "-s", "../clone/workflow/Snakefile", *arguments)
    else:
        result = start(clone, clone.folder, "-d", elsewhere, *arguments)
    assert result.returncode == 0, result.stderr
    assert (elsewhere / "results" / "data" / "scenes" / "scenes.json").is_file()
    assert (elsewhere / "results" / "there" / "logs" / "scenes.log").is_file()
    assert not (clone.folder / "results").exists()


def test_check_and_the_run_say_the_same(tmp_path):
    clone = Clone(tmp_path / "clone")
    (clone.folder / "first.yaml").write_text("run: a\nseeds: [0]\nseeds: [1]\nsearch: {rounds: 0}\n")
    (clone.folder / "second.yaml").write_text("data:\n  root: no\n")
    words = ["first.yaml", "second.yaml", "--config", "space={layers: 010}", 'search={"shards": [2]}']
    checked, run = check(clone, *words), start(clone, clone.folder, "--dry-run", "--configfile", *words)
    said = checked.stderr.removeprefix("lbt check: ").strip()
    assert checked.returncode == run.returncode == 1
    assert said in run.stdout + run.stderr and "5 problems" in said
    for line in (
        "first.yaml, line 3: seeds: is given twice, first in line 2; keep one of them",
        "first.yaml, line 4: search.rounds: must be at least 1; found 0",
        'second.yaml, line 2: data.root: YAML reads no as false; write "no"',
        "--config space: space.layers: YAML reads 010 as 8",
        "--config search: search.shards: a whole number is needed",
    ):
        assert line in said
    assert "Traceback" not in run.stdout + run.stderr


def test_options_reach_what_they_name(tmp_path):
    """Snakemake hands the values over as text."""
    clone = Clone(tmp_path / "clone")
    options = ["run=x", "seeds=[3,5]", "methods=[random]", 'search={"rounds": 3, "random_match": none}']
    result = start(clone, clone.folder, "--dry-run", "--config", *options, "evaluation={every_round: false}")
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    assert "results/x/search/random/seed-3/round-3/checkpoint.pt" in text
    assert "results/x/search/random/seed-5/round-3/checkpoint.pt" in text and "seed-0" not in text


def test_an_option_that_is_given_twice_is_refused(tmp_path):
    """Snakemake itself keeps the last one in silence."""
    clone = Clone(tmp_path / "clone")
    twice = ["--configfile", "config/config.yaml", "--configfile", "config/config.yaml"]
    for words, name in ((twice, "--configfile"), (["--config", "run=a", "--config", "run=b"], "--config")):
        result = start(clone, clone.folder, "--dry-run", *words)
        said = result.stdout + result.stderr
        assert result.returncode != 0 and f"{name}: is given 2 times, and Snakemake reads the last one only" in said
    checked = check(clone, "config/config.yaml", "--config", "run=a", "--config", "run=b")
    assert checked.returncode == 1 and "--config: is given 2 times" in checked.stderr


def test_without_a_profile_the_file_must_be_named(tmp_path):
    clone = Clone(tmp_path / "clone")
    result = start(clone, clone.folder, "--dry-run", "--workflow-profile", "none")
    said = result.stdout + result.stderr
    assert result.returncode != 0 and "There are no settings: name a file with --configfile" in said, said
