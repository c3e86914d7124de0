"""The stage that packs the finished network: one file with the trained network, its scores and its profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbt.config.network_jobs import PackJob
from lbt.data.classes import class_table
from lbt.errors import visible
from lbt.files import read_json
from lbt.inference.network_file import load_trained, save_network
from lbt.runtime.progress import Progress


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        network: the network that retraining wrote.
        scores: the scores of that network.
        profile: its profile.
        packed: receives the network for people.
    """

    network: Path
    scores: Path
    profile: Path
    packed: Path


def run(settings: PackJob, files: Files, *, settings_digest: str, log: Path | None = None) -> None:
    """Write the network that people use: see `lbt.inference.network_file`.

    Args:
        settings_digest: digest of all settings that lead to the network, as in the manifest.

    Raises:
        LbtError: a file cannot be read, or the network is of other classes or another space.
    """
    seed, method, space = settings.seed, settings.method, settings.space
    table, found = class_table(settings.data), read_json(files.scores)
    trained = load_trained(files.network, table.names, space)
    with Progress(f"pack {method} seed-{seed}", 1, log) as progress:
        save_network(
            files.packed,
            trained.network,
            space=space,
            classes=table.names,
            colors=table.colors,
            mean=trained.mean,
            std=trained.std,
            method=method,
            seed=seed,
            input_size=list(settings.latency.input_size),
            settings_digest=settings_digest,
            trained_on=name_data(settings.data.root),
            scores={key: found[key] for key in ("miou", "pixel_accuracy", "iou", "bfloat16")},
            profile=read_json(files.profile),
        )
        progress.advance(miou=found["miou"])


def name_data(root: str) -> str | None:
    """What to call the data set below `root`: the name of its folder, without the path to it; None without a name."""
    return visible(Path(root).resolve().name)[:100].strip() or None
