"""A network with random genotype and weights, and its file, for tests of finished networks."""

from collections.abc import Mapping
from pathlib import Path

import torch

from lbt.config import Settings, SpaceSettings
from lbt.data.classes import class_table
from lbt.inference.network_file import save_network
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.network.random_genotype import random_genotype

SPACE = SpaceSettings(layers=6, base_width=4)
COLORS = ((128, 64, 128), (0, 0, 142), (70, 130, 180), (107, 142, 35), (220, 220, 0))
CLASSES = dict(zip(("road", "car", "sky", "tree", "sign"), COLORS, strict=True))
USE = {
    "input_size": [70, 99],
    "settings_digest": "0123456789abcdef",
    "scores": {"miou": 0.25, "pixel_accuracy": 0.5, "iou": dict.fromkeys(CLASSES, 0.25) | {"sign": None}},
    "profile": {
        "median_ms": 4.0,
        "p95_ms": 5.0,
        "fps": 250.0,
        "parameters": 1,
        "macs": 2,
        "key": {"device": "invented"},
    },
}


def random_network(
    seed: int = 0, space: SpaceSettings = SPACE, classes: int = len(CLASSES), genotype: Genotype | None = None
) -> Network:
    """A network with BatchNorm statistics of noise, and with heads scaled so that it predicts every class somewhere."""
    torch.manual_seed(seed)
    genotype = genotype or random_genotype(space, torch.Generator().manual_seed(seed))
    network = Network(genotype, space, classes).train()
    with torch.no_grad():
        for _ in range(6):
            network(torch.randn(2, 3, 64, 64).cumsum(2).cumsum(3) / 30)
        network.eval()
        last = network.prediction.head[1]
        logits = network(torch.randn(2, 3, 64, 64).cumsum(2).cumsum(3) / 30).movedim(1, 0).flatten(1)
        last.weight.mul_(5 / logits.std(dim=1)[:, None, None, None])
        last.bias.sub_(logits.mean(dim=1)).mul_(5 / logits.std(dim=1))
    return network


def write_network(
    path: Path,
    network: Network | None = None,
    use: Mapping[str, object] = USE,
    classes: Mapping[str, tuple[int, int, int]] = CLASSES,
) -> Path:
    """Write the file of a network, by default a random one, with the entries `use`."""
    save_network(
        path,
        network or random_network(),
        space=SPACE,
        classes=tuple(classes),
        colors=tuple(classes.values()),
        mean=(0.4, 0.5, 0.3),
        std=(0.2, 0.3, 0.25),
        method="lbt",
        seed=0,
        **use,
    )
    return path


def write_network_of(path: Path, settings: Settings) -> Path:
    """Write the file of a random network with the space, classes and normalisation of a run."""
    classes = class_table(settings.data)
    save_network(
        path,
        random_network(1, settings.space, classes.num_classes),
        space=settings.space,
        classes=classes.names,
        colors=classes.colors,
        mean=settings.data.mean,
        std=settings.data.std,
        method="lbt",
        seed=0,
    )
    return path
