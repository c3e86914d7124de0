"""A made-up table of a space of 16 networks, and made-up last architectures of searches."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lbt.config import SpaceSettings
from lbt.network.enumeration import genotype_text
from lbt.space.architecture import architecture_to_json, initial_architecture
from lbt.tabular.networks import order_networks

SMALL = {"branches": "32", "width_twelfths": (8,), "operators": ("conv", "zoom")}
SPACE = SpaceSettings(layers=4, base_width=2, **SMALL)
SEEDS = (0, 1, 2)


def write_table(results: Path, space: SpaceSettings = SPACE) -> Path:
    draw, path = np.random.default_rng(1), results / "lbt-bench" / "tabular" / "table.csv"
    rows = []
    for number, genotype in enumerate(order_networks(space)):
        text = genotype_text(genotype)
        quality = 0.3 + 0.02 * text.count("conv") + 0.01 * draw.normal()
        for seed in (0, 1, 2):
            scores = {f"miou_{p}": quality + 0.01 * draw.normal() for p in ("val-official", "val-stretches", "all")}
            rows.append({"network": number, "genotype": text, "seed": seed, **scores})
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(path, index=False)
    path.with_suffix(".json").write_text(json.dumps({"space": space.model_dump(mode="json")}))
    return path


def architecture_of(number: int, space: SpaceSettings = SPACE):
    logits = initial_architecture(space, torch.Generator().manual_seed(number))
    return {key: 900 * value for key, value in logits.items()}


def write_searches(results: Path, runs, seeds=SEEDS, space: SpaceSettings = SPACE) -> dict:
    """Made-up last architectures, by variant and seed."""
    found = {}
    for run in runs:
        for method, variant in run.variants.items():
            for seed in seeds:
                found[variant, seed] = architecture_of(len(found) + 1, space)
                folder = results / run.name / "search" / method / f"seed-{seed}" / "round-5"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "architecture.json").write_text(json.dumps(architecture_to_json(found[variant, seed])))
    return found
