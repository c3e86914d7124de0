"""The figures of each method and seed."""

import torch
from stage_calls import call_stage

from lbt.config import SpaceSettings
from lbt.files import write_json
from lbt.network.random_genotype import random_genotype
from lbt.space.architecture import architecture_to_json, initial_architecture

SPACE = SpaceSettings(layers=4, base_width=4)


def test_a_random_network_has_no_figure_of_an_architecture(tmp_path):
    generator = torch.Generator().manual_seed(0)
    genotypes, scores = [], []
    for method in ("lbt", "random"):
        genotypes.append(tmp_path / "derive" / method / "seed-0" / "genotype.json")
        write_json(genotypes[-1], random_genotype(SPACE, generator).to_json())
        scores.append(tmp_path / "evaluate" / method / "seed-0" / "network.json")
        write_json(scores[-1], {"confusion": [[3, 1], [0, 4]], "iou": {"road": 0.75, "car": 0.8}})
    rounds = [tmp_path / "search" / "lbt" / "seed-0" / f"round-{r}" / "architecture.json" for r in (2, 1)]
    for path in rounds:
        write_json(path, architecture_to_json(initial_architecture(SPACE, generator)))
    folder, log = tmp_path / "figures", tmp_path / "draw.log"
    svg = [folder / "lbt" / "seed-0" / "network.svg"]
    files = {"architecture": rounds, "genotype": genotypes, "network": scores, "svg": svg, "png": []}
    call_stage("draw", space=SPACE, **files, log=log)
    drawn = {method: {path.name for path in (folder / method / "seed-0").iterdir()} for method in ("lbt", "random")}
    assert drawn["random"] == {"network.svg", "network.png", "confusion.svg", "confusion.png"}
    assert drawn["lbt"] == drawn["random"] | {"architecture.svg", "architecture.png"}
    assert "step 5/5" in log.read_text()
