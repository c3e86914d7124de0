"""The file of a trained network, which holds all that its use needs and nothing of the search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.inference.segmentation_network import SegmentationNetwork
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.runtime.checkpoint import load_checkpoint, save_checkpoint

KIND = "network"
USE = ("input_size", "settings_digest", "scores", "profile")
"""Entries of the finished file that training does not write; see `SegmentationNetwork`."""


def save_network(
    path: Path | str,
    network: Network,
    *,
    space: SpaceSettings,
    classes: Sequence[str],
    colors: Sequence[Sequence[int]],
    mean: Sequence[float],
    std: Sequence[float],
    method: str,
    seed: int,
    **use: Any,
) -> None:
    """Write a network, atomically; `torch.load(path, weights_only=True)` reads it.

    Args:
        path: the file.
        network: with its weights.
        space: the search space of its genotype.
        classes: name of each class.
        colors: red, green and blue of each class, 0 to 255.
        mean: of red, green and blue in [0, 1], which training subtracted from the images in [0, 1].
        std: of red, green and blue, by which training then divided.
        method: the search method.
        seed: the seed.
        **use: plain values of the entries in `USE`, once they are known.
    """
    save_checkpoint(
        path,
        kind=KIND,
        identity={
            "classes": list(classes),
            "colors": [list(color) for color in colors],
            "mean": list(mean),
            "std": list(std),
            "space": space.model_dump(mode="json"),
            "seed": seed,
            "method": method,
        },
        state={"genotype": network.genotype.to_json(), "network": network.state_dict(), **use},
    )


def load_network(path: Path | str) -> SegmentationNetwork:
    """Load the network of a file `networks/<method>-seed-<s>.pt` of a run, ready for use on the CPU.

    Raises:
        LbtError: the file is missing, damaged, of an older version, or not a network.
    """
    return _network(path, load_checkpoint(path, kind=KIND))


def load_trained(path: Path | str, classes: Sequence[str], space: SpaceSettings) -> SegmentationNetwork:
    """Load the network for a stage, whose classes and search space must be those of the file.

    Raises:
        LbtError: as for `load_network`, or the file has other classes or another space.
    """
    expect = {"classes": list(classes), "space": space.model_dump(mode="json")}
    return _network(path, load_checkpoint(path, kind=KIND, expect=expect))


def _network(path: Path | str, content: dict[str, Any]) -> SegmentationNetwork:
    try:
        identity: dict[str, Any] = dict(content["identity"])
        space = SpaceSettings.model_validate_json(json.dumps(identity.pop("space")))
        network = Network(Genotype.from_json(content["genotype"], space, str(path)), space, len(identity["classes"]))
        network.auxiliary.clear()  # the heads that only training uses
        weights = {name: w for name, w in content["network"].items() if not name.startswith("auxiliary.")}
        network.load_state_dict(weights)
        use: dict[str, Any] = {name: content.get(name) for name in USE}
        if use["input_size"] is not None:
            use["input_size"] = tuple(use["input_size"])
        return SegmentationNetwork(network, space=space, **identity, **use)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LbtError(
            f"{path}: is not a network that this version of lbt can read ({first}). Rerun the stage that makes it."
        ) from error
