"""A user's own photographs: from config/own-data.yaml to a prediction, in folders with spaces in their names."""

import subprocess

import numpy as np
import pytest
import yaml
from clone import PYTHON, ROOT, Clone, read_csv
from pictures_of_streets import draw
from PIL import Image
from quick import quick_first

SMALL = {
    "methods": ["lbt"],
    "augmentation": {"crop": [32, 32]},
    "space": {"layers": 4, "base_width": 2},
    "latency": {"input_size": [64, 64], "min_run_seconds": 0.001, "profile_runs": 5},
    "warmup": {"epochs": 1},
    "search": {"rounds": 1, "epochs": 1, "student": {"crop": [32, 32]}},
    "retrain": {"epochs": 1},
    "evaluation": {"calibration_batches": 1, "pictures": 1},
    "compute": {"device": "cpu"},
}
TABLE, NETWORK = "tables/miou.csv", "networks/lbt-seed-0/network.pt"


@pytest.fixture(scope="module", params=quick_first(1, [None, PYTHON]), ids=["forks", "starts"])
def run(request, tmp_path_factory):
    """The finished run of a user who edited only `data`; the budgets come from a second file."""
    clone = Clone(tmp_path_factory.mktemp("own") / "clone", ROOT / "config" / "own-data.yaml", request.param)
    root = clone.folder.parent / "my camera"
    for number in range(10):
        draw(root, number)
    data = clone.settings["data"]
    data["root"] = str(root)
    data["folder"] |= {"images": "my photos/*", "masks": "my masks/*"}
    (clone.folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    # galleries and figures are left out, because they do not depend on the layout of the images
    result = clone.snakemake("small.yaml", "--", *(f"results/own-data/{name}" for name in (TABLE, NETWORK)))
    assert result.returncode == 0, result.stderr[-4000:]
    return clone


def test_the_run_ends_with_a_table_and_a_network_that_predicts(run):
    results = run.folder / "results" / "own-data"
    rows = read_csv(results / TABLE)
    assert [row["method"].split()[0] for row in rows] == ["lbt", "constant"]
    assert 0 <= float(rows[0]["retrained_miou"]) <= 1
    photos = run.folder.parent / "my camera" / "my photos"
    command = [run.python, "-m", "lbt", "predict", results / NETWORK, photos]
    result = subprocess.run(command, cwd=run.folder, env=run.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    labels = sorted((run.folder / "predictions" / "labels").iterdir())
    assert [path.name for path in labels] == [f"IMG {number:04d}.png" for number in range(10)]
    with Image.open(labels[0]) as image:
        assert image.size == (64, 48) and set(np.unique(image)) <= {0, 1, 2}
    names = [row["name"] for row in read_csv(run.folder / "predictions" / "classes.csv")]
    assert names == ["background", "road", "car"]
