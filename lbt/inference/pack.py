"""The stage that packs the finished network: one file with the trained network, its scores and its profile."""

from __future__ import annotations

from pathlib import Path

from lbt.config import (
    AugmentationSettings,
    ComputeSettings,
    DataSettings,
    DerivationSettings,
    EvaluationSettings,
    LatencySettings,
    RetrainSettings,
    SearchSettings,
    SpaceSettings,
    SplitSettings,
    WarmupSettings,
)
from lbt.data.classes import class_table
from lbt.files import digest, read_json
from lbt.inference.network_file import load_trained, save_network
from lbt.runtime.progress import Progress


def run(
    *,
    seed: int,
    method: str,
    data: DataSettings,
    splits: SplitSettings,
    augmentation: AugmentationSettings,
    space: SpaceSettings,
    latency: LatencySettings,
    warmup: WarmupSettings,
    search: SearchSettings,
    derivation: DerivationSettings,
    retrain: RetrainSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    network: Path,
    scores: Path,
    profile: Path,
    output: Path,
    log: Path | None = None,
) -> None:
    """Write the network that people use: see `lbt.inference.network_file`.

    The sections of the settings are all that led to the network. They are read for their digest, which the manifest
    beside the file has too, with the settings themselves.

    Args:
        network: what retraining wrote.
        scores: the scores of that network.
        profile: its profile.
        output: the file.

    Raises:
        LbtError: a file cannot be read, or the network is of other classes or another space.
    """
    sections = {
        "data": data,
        "splits": splits,
        "augmentation": augmentation,
        "space": space,
        "latency": latency,
        "warmup": warmup,
        "search": search,
        "derivation": derivation,
        "retrain": retrain,
        "evaluation": evaluation,
        "compute": compute,
    }
    settings = {
        name: section.model_dump(mode="json", exclude=section.WITHOUT_EFFECT) for name, section in sections.items()
    }
    table, found = class_table(data), read_json(scores)
    trained = load_trained(network, table.names, space)
    with Progress(f"pack {method} seed-{seed}", 1, log) as progress:
        save_network(
            output,
            trained.network,
            space=space,
            classes=table.names,
            colors=table.colors,
            mean=trained.mean,
            std=trained.std,
            method=method,
            seed=seed,
            input_size=list(latency.input_size),
            settings_digest=digest({**settings, "seed": seed, "method": method}),
            scores={key: found[key] for key in ("miou", "pixel_accuracy", "iou")},
            profile=read_json(profile),
        )
        progress.advance(miou=found["miou"])
