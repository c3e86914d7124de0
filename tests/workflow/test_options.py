"""Settings that bring other stages: compared networks, a co-search, weights of the student from a file."""

import json
import re

import pytest
import torch
from clone import SOMETIMES, artefacts, read_csv
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

DERIVED = {"derive", "profile", "retrain", "evaluate_network", "pack", "settings", "tables", "compare", "draw", "cards"}


@pytest.mark.exhaustive
def test_networks_are_scored_where_the_settings_compare_them(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    clone.settings = clone.settings | {"derivation": {"rule": "search", "images": 2}}
    text = clone.snakemake("--dry-run").stdout
    assert set(re.findall(r"^rule (\w+):", text, re.MULTILINE)) - {"all"} == {"candidates", *DERIVED}
    scored = set(re.findall(r"output: results/tiny/derive/(\w+)/seed-0/candidates.csv", text))
    assert scored == {"fasterseg", "lbt", "lpt"}  # a random network is not chosen by its score

    clone.settings["derivation"]["fps"] = [1.0, 1.0e6]
    assert clone.would_rerun() == {"reach_derivation", "candidates", *DERIVED}
    clone.settings["derivation"]["fps"] = [1.0e6, 2.0e6]
    result = clone.snakemake("--until", "candidates")
    assert result.returncode != 0 and "rule candidates" not in result.stdout + result.stderr
    assert "derivation.fps: no architecture of the space runs at" in result.stdout + result.stderr
    del clone.settings["derivation"]["fps"]

    space = clone.settings["space"] | {"branches": "best"}
    clone.settings = clone.settings | {"methods": ["fasterseg"], "space": space}
    result = clone.snakemake("--until", "derive")
    assert result.returncode == 0, result.stderr[-4000:]
    folder = clone.folder / "results/tiny/derive/fasterseg/seed-0"
    rows = read_csv(folder / "candidates.csv")
    assert [row["branches"] for row in rows] == ["16+32", "8+32"]  # the only paths through four layers
    best = max(rows, key=lambda row: float(row["objective"]))
    branches = json.loads((folder / "genotype.json").read_text())["branches"]
    assert "+".join(str(branch["scale"]) for branch in reversed(branches)) == best["branches"]
    assert "candidates.csv" in json.loads((folder / ".manifest.json").read_text())["inputs"]
    assert "candidates.csv" in json.loads((folder / ".manifest-candidates.json").read_text())["outputs"]


@pytest.mark.exhaustive
def test_operators_are_chosen_by_their_removal(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    clone.settings = clone.settings | {"derivation": {"operators": "removal", "images": 2}}
    text = clone.snakemake("--dry-run").stdout
    assert set(re.findall(r"^rule (\w+):", text, re.MULTILINE)) - {"all"} == {"operators", *DERIVED}
    scored = set(re.findall(r"output: results/tiny/derive/(\w+)/seed-0/operators.csv", text))
    assert scored == {"fasterseg", "lbt", "lpt"}  # a random network has no searched operators

    clone.settings = clone.settings | {"methods": ["fasterseg"]}
    result = clone.snakemake("--until", "derive")
    assert result.returncode == 0, result.stderr[-4000:]
    folder = clone.folder / "results/tiny/derive/fasterseg/seed-0"
    kept = {(row["layer"], row["scale"]): row["kept"] for row in read_csv(folder / "operators.csv")}
    branches = json.loads((folder / "genotype.json").read_text())["branches"]
    cells = {(str(cell["layer"]), str(cell["scale"])): cell["operator"] for b in branches for cell in b["cells"]}
    assert cells.keys() <= kept.keys() and all(kept[place] in (operator, "skip") for place, operator in cells.items())
    assert "architecture.json" in json.loads((folder / ".manifest.json").read_text())["inputs"]


@pytest.mark.exhaustive
def test_a_co_search_with_a_window_and_inherited_weights(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    search = clone.settings["search"] | {"cosearch": True, "fps": [1.0, 1.0e6], "random_match": "window"}
    search.pop("random_tolerance")  # only the match with a method reads it
    retrain = clone.settings["retrain"] | {"initial": "supernet"}
    clone.settings = clone.settings | {"methods": ["fasterseg", "random"], "search": search, "retrain": retrain}
    result = clone.snakemake("--until", "retrain")
    assert result.returncode == 0, result.stderr[-4000:]
    assert "rule warmup" not in result.stdout + result.stderr

    run = clone.folder / "results" / "tiny"
    reach = json.loads((run / "latency" / "reach-search.json").read_text())
    assert reach["window"] == [1.0, 1.0e6] and 0 < reach["least_ms"] < reach["greatest_ms"]
    names = re.findall(r"^\| `([^`]+)` \| `search\.cosearch`", SOMETIMES, re.MULTILINE)
    assert names and all(len(artefacts(run, name)) == len(clone.settings["methods"]) for name in names)
    for method in clone.settings["methods"]:
        round_ = run / "search" / method / "seed-0" / "round-1"
        assert {"guide_loss", "latency_weight", "fps"} <= set(read_csv(round_ / "metrics.csv")[0])
        genotype = json.loads((run / "derive" / method / "seed-0" / "guide.json").read_text())
        for branch in genotype["branches"]:
            assert [cell["width_twelfths"] for cell in branch["cells"]] == [12, 12, 12, 8]  # 4 layers
        folder = run / "retrain" / method / "seed-0"
        supernet, taught = f"../../../search/{method}/seed-0/round-1/checkpoint.pt", {"distillation_loss"}
        columns = {name: set(read_csv(folder / name)[0]) for name in ("metrics.csv", "guide-metrics.csv")}
        assert columns["metrics.csv"] - columns["guide-metrics.csv"] == taught
        read = {
            name: json.loads((folder / f".{name}.json").read_text())["inputs"]
            for name in ("manifest", "manifest-guide")
        }
        assert supernet in read["manifest"] and supernet in read["manifest-guide"]
        assert "guide.pt" in read["manifest"] and "guide.pt" not in read["manifest-guide"]

    clone.settings = clone.settings | {"derivation": {"rule": "search", "fps": [2.0, 1.0e6]}}
    again = clone.would_rerun()
    assert {
        "reach_derivation",
        "candidates",
        "derive",
    } <= again and "round" not in again


@pytest.mark.exhaustive
def test_a_file_of_student_weights_is_an_input_of_the_warm_up(finished, tmp_path):
    clone = finished[0].copy(tmp_path / "clone")
    search = clone.settings["search"]
    search = search | {"rounds": 2, "student": search["student"] | {"weights": "student.pth"}}
    clone.settings = clone.settings | {"search": search}
    result = clone.snakemake()  # the warm-up from other weights is there
    assert result.returncode != 0
    assert "search.student.weights: student.pth: is missing" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr

    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=6)
    torch.save(network.state_dict(), clone.folder / "student.pth")
    text = clone.snakemake("--dry-run").stdout
    readers = re.findall(r"input: .*student\.pth.*\n +output: results/tiny/(\w+/seed-0)/", text)
    assert readers == ["student_warmup/seed-0"]
    assert len(re.findall(r"input: .*student\.pth", text)) == 1

    clone.settings = clone.settings | {"methods": ["lbt"], "search": search | {"rounds": 1}}
    assert clone.snakemake("--until", "round").returncode == 0
    assert "round" not in clone.would_rerun()
    torch.save(network.half().state_dict(), clone.folder / "student.pth")
    assert {"label", "student_warmup", "round"} & clone.would_rerun() == {"student_warmup", "round"}


def test_a_second_file_changes_what_it_names(finished, tmp_path):
    """As for runs to compare: the rest of the settings is that of the first file."""
    clone = finished[0].copy(tmp_path / "clone")
    (clone.folder / "half.yaml").write_text("run: half\nsearch: {pseudo_labels: {ratio: 0.5}}\n")
    result = clone.snakemake("half.yaml", "--dry-run", "--printshellcmds")
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    assert "results/half/search/lbt/seed-0/round-1/checkpoint.pt" in text and "results/tiny" not in text
    ratios = set(re.findall(r'"ratio":([\w.]+)', text))
    assert ratios == {"0.5"}, ratios
