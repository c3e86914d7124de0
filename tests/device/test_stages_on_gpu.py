"""Every stage that computes on a device, run as in a job on a pretended GPU: no device is mixed."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pretended_gpu import pretended_gpu
from quick import quick_first
from stage_calls import call_stage

from lbt.config import Settings
from lbt.config.methods import METHODS
from lbt.config.read import parse_settings
from lbt.latency import deployment


@pytest.fixture
def on_gpu(tiny, tmp_path) -> Callable[..., Path]:
    """`on_gpu(stage, sections, **files)`: run it with changed keys of some sections; returns the folder of outputs."""

    def run(stage: str, changes: dict[str, Any] | None = None, **given: Any) -> Path:
        with pretended_gpu() as gpu:
            call_stage(stage, changed(tiny.settings, changes or {}), **given)
        assert gpu.launches.total() > 100
        return tmp_path

    return run


def changed(settings: Settings, changes: dict[str, Any]) -> Settings:
    """The settings with `compute.device: cuda` and with these keys of sections."""
    content = settings.model_dump(mode="json", exclude_unset=True)
    for section, keys in (changes | {"compute": {"device": "cuda", "threads": 1}}).items():
        content[section] = content.get(section, {}) | keys
    return parse_settings(content, "changed.yaml")


@pytest.fixture
def play_on_gpu(on_gpu, tiny, tmp_path) -> Callable[..., Path]:
    """A round on the pretended GPU, after its labels; returns its folder."""

    def play(method: str, search: dict[str, Any], number: int = 1, previous: Path | None = None) -> Path:
        place, previous = tmp_path / method / f"round-{number}", previous or tiny.warmup
        search = {"epochs": 0.5, "shards": 1} | search
        labels = {"labels": place / "shard.h5", "probabilities": place / "probability.h5"}
        needed = METHODS[method].needs_pseudo_labels
        common = {"split": tiny.split, "seed": 0, "method": method, "round": number}
        if needed:
            on_gpu("label", {"search": search}, **common, shard=0, teacher=previous, **labels, code="code")
        on_gpu(
            "round",
            {"search": search},
            **common,
            table=tiny.table,
            previous=previous,
            previous_state=previous.with_name("training_state.pt") if number > 1 else None,
            probabilities=[labels["probabilities"]] if needed else [],
            student=tiny.student if METHODS[method].has_student and number == 1 else None,
            checkpoint=place / "checkpoint.pt",
            state=place / "training_state.pt",
            architecture=place / "architecture.json",
            metrics=place / "metrics.csv",
            guide=place / "guide.json" if search.get("cosearch") else None,
        )
        return place

    return play


HARD = {"targets": "hard", "weighting": "confidence", "threshold": 0.2}
ROUNDS = {
    "fasterseg": ("fasterseg", {}),
    "random": ("random", {}),
    "co-search": ("fasterseg", {"cosearch": True, "fps": [0.001, 1e9]}),
    "lpt": ("lpt", {}),
    "lbt": ("lbt", {}),
    "hard labels": ("lbt", {"pseudo_labels": HARD, "label_steps": 2, "student_memory": 0.9}),
    "one_step": ("lbt", {"gradient": "one_step"}),
    "published": ("lbt", {"gradient": "published"}),
}


@pytest.mark.parametrize("kind", quick_first(1, ROUNDS))
def test_a_round(play_on_gpu, kind):
    method, search = ROUNDS[kind]
    place = play_on_gpu(method, search)
    with open(place / "metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(row["skipped_teacher"] == "0" and float(row["teacher_loss"]) > 0 for row in rows)
    if kind in ("lbt", "co-search"):
        play_on_gpu(method, search, 2, place / "checkpoint.pt")


@pytest.mark.exhaustive
def test_the_warm_ups(on_gpu, tiny, tmp_path):
    for stage in ("warmup", "student_warmup"):
        on_gpu(stage, split=tiny.split, checkpoint=tmp_path / "x.pt", metrics=tmp_path / "x.csv")


@pytest.mark.exhaustive
@pytest.mark.parametrize("recipe", ["enet", "ohem", "released"])
def test_from_a_round_to_scores(on_gpu, play_on_gpu, tiny, tmp_path, recipe):
    common = {"seed": 0, "method": "fasterseg"}
    found = play_on_gpu("fasterseg", {"cosearch": True, "fps": [0.001, 1e9]})
    architecture, checkpoint = found / "architecture.json", found / "checkpoint.pt"
    inputs = {"split": tiny.split, "checkpoint": checkpoint, "architecture": architecture}
    searched = {"derivation": {"rule": "search", "paths": 2, "images": 2}}
    on_gpu("candidates", searched, **common, **inputs, table=tiny.table, candidates=tmp_path / "candidates.csv")
    outputs = {"operators": tmp_path / "operators.csv", "scored": tmp_path / "scored.json"}
    on_gpu("operators", {"derivation": {"operators": "removal", "images": 2}}, **common, **inputs, **outputs)
    genotype, guide = tmp_path / "genotype.json", tmp_path / "guide.json"
    call_stage("derive", tiny.settings, **common, architecture=architecture, table=tiny.table, genotype=genotype)
    call_stage("derive_guide", tiny.settings, **common, architecture=found / "guide.json", genotype=guide)
    recipes = {"enet": {}, "ohem": {"loss": "ohem"}, "released": {"recipe": "released"}}
    retrain = {"epochs": 0.5, "ema_decay": 0.9} | recipes[recipe]
    pixels = {"class_pixels": tiny.class_pixels} if recipe == "enet" else {}
    made = {"network": tmp_path / "guide.pt", "metrics": tmp_path / "guide.csv"}
    on_gpu("retrain_guide", {"retrain": retrain}, **common, split=tiny.split, genotype=guide, **made, **pixels)
    retrain |= {"initial": "supernet"}
    inputs = {"split": tiny.split, "genotype": genotype, "guide": made["network"], "supernet": checkpoint}
    made = {"network": tmp_path / "network.pt", "metrics": tmp_path / "network.csv"}
    changes = {"retrain": retrain, "search": {"cosearch": True}}
    on_gpu("retrain", changes, **common, **inputs, **pixels, **made)
    pictures = {name: tmp_path / name for name in ("pictures", "predictions", "images")}
    scores = tmp_path / "scores.json"
    on_gpu("evaluate_network", **common, split=tiny.split, network=made["network"], scores=scores, **pictures)
    rounds = {"scores": tmp_path / "s.json", "rounds": tmp_path / "s.csv"}
    on_gpu("evaluate_supernet", **common, split=tiny.split, checkpoints=[checkpoint], **rounds)


@pytest.mark.exhaustive
def test_latency_table_and_profile(on_gpu, play_on_gpu, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(deployment, "GraphPass", lambda module, inputs: module)  # only a real GPU records graphs
    on_gpu("latency", table=tmp_path / "table.csv")
    architecture = play_on_gpu("fasterseg", {}) / "architecture.json"
    common = {"seed": 0, "method": "fasterseg"}
    derived = {"architecture": architecture, "table": tmp_path / "table.csv", "genotype": tmp_path / "g.json"}
    call_stage("derive", tiny.settings, **common, **derived)
    files = {"genotype": tmp_path / "g.json", "table": tmp_path / "table.csv", "profile": tmp_path / "p.json"}
    on_gpu("profile", **common, **files)
