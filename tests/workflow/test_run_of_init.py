"""From ten photographs with masks to a network, by `lbt init` and Snakemake alone."""

import subprocess

import pytest
import yaml
from clone import PYTHON, Clone, listed, read_csv
from pictures_of_streets import draw

from lbt.config.read import read_settings
from lbt.own_data.duration import Passes, add_up

SMALL = {
    "augmentation": {"crop": [32, 32]},
    "space": {"layers": 4, "base_width": 2},
    "latency": {"input_size": [64, 64], "min_run_seconds": 0.001, "profile_runs": 5},
    "warmup": {"epochs": 1},
    "search": {
        "rounds": 1,
        "epochs": 1,
        "random_tolerance": 0.5,
        "student": {"warmup_epochs": 1, "crop": [32, 32]},
    },
    "retrain": {"epochs": 1},
    "evaluation": {"calibration_batches": 1, "pictures": 1},
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone with `config/my-camera.yaml` as `lbt init` writes it for ten photographs."""
    clone = Clone(tmp_path_factory.mktemp("init") / "clone")
    root = clone.folder.parent / "my camera"
    for number in range(10):
        draw(root, number)
    words = [clone.python, "-m", "lbt", "init", root / "my photos", root / "my masks"]
    result = subprocess.run(words, cwd=clone.folder, env=clone.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "snakemake --cores" in result.stdout and "--snakefile" not in result.stdout
    return clone


def snakemake(clone, *words):
    command = [clone.python, "-m", "snakemake", "--cores", "2", *words]
    return subprocess.run(command, cwd=clone.folder, env=clone.environment, capture_output=True, text=True, check=False)


@pytest.mark.exhaustive
def test_a_run_starts_with_the_file_as_it_is(clone):
    """The jobs are those that the estimate of the time counts."""
    result = snakemake(clone, "--dry-run", "--configfile", "config/my-camera.yaml")
    assert result.returncode == 0, result.stderr
    settings = read_settings(clone.folder / "config/my-camera.yaml")
    roles = ("teacher_train", "teacher_val", "student_train", "student_val", "unlabeled", "evaluation")
    counts = dict.fromkeys(roles, 2)
    starts, none = (add_up(settings, counts, 3, Passes(0, 0, 0, 0, start), 1) for start in (60, 0))
    assert len(listed(result.stdout + result.stderr)) == round(starts - none)


@pytest.mark.exhaustive
def test_the_run_ends_with_a_network(clone):
    """At sizes that a second file makes smaller."""
    (clone.folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    targets = [f"results/my-camera/{name}" for name in ("tables/miou.csv", "networks/lbt-seed-0/network.pt")]
    result = snakemake(clone, "--configfile", "config/my-camera.yaml", "small.yaml", "--", *targets)
    assert result.returncode == 0, result.stderr[-4000:]
    rows = read_csv(clone.folder / targets[0])
    assert [row["method"].split()[0] for row in rows] == ["lbt", "random", "constant"]
    command = [PYTHON, "-m", "lbt", "predict", targets[1], clone.folder.parent / "my camera" / "my photos"]
    done = subprocess.run(command, cwd=clone.folder, env=clone.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and len(list((clone.folder / "predictions/labels").iterdir())) == 10, done.stderr
