"""The file of a trained network, which holds all that its use needs and nothing of the search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from lbt.baselines import build_network
from lbt.config import SpaceSettings
from lbt.config.baselines import BASELINES
from lbt.errors import LbtError, visible
from lbt.inference.network_facts import read_facts
from lbt.inference.plain_file import require_plain, require_sound
from lbt.inference.segmentation_network import SegmentationNetwork
from lbt.network.fold_batch_norm import fold_batch_norm
from lbt.network.genotype import Genotype
from lbt.network.network import Network
from lbt.network.trainable import TrainableNetwork
from lbt.runtime.checkpoint import load_checkpoint, require_shapes, save_checkpoint
from lbt.runtime.shapes import shapes_only

KIND = "network"
BUNDLED = Path(__file__).with_name("bundled") / "camvid.pt"
"""The network that comes with the package, for streets; `bundled/README.md` is its card."""


def save_network(
    path: Path | str,
    network: TrainableNetwork,
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
        network: with its weights; a derived one, or the baseline that `method` names.
        space: the search space of the genotype, or of the run that trained the baseline.
        classes: name of each class.
        colors: red, green and blue of each class, 0 to 255.
        mean: of red, green and blue in [0, 1], which training subtracted from the images in [0, 1].
        std: of red, green and blue, by which training then divided.
        method: the search method or baseline.
        seed: the seed.
        **use: plain values of the entries in `USE`, once they are known.
    """
    design: dict[str, Any] = {"baseline": method}
    if method not in BASELINES:
        design = {"genotype": cast(Network, network).genotype.to_json()}
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
        state={**design, "network": network.state_dict(), **use},
    )


def load_network(path: Path | str = BUNDLED, *, trainable: bool = False) -> SegmentationNetwork:
    """Load the network of a file of a run, or the one that comes with the package, ready for use on the CPU.

    The file may be a stranger's: nothing is made of it before its facts and the shapes of its weights are checked.

    Args:
        path: a file such as `results/<run>/networks/<method>-seed-<s>.pt`. By default the network for streets that
            comes with the package: 11 classes, learned from CamVid; see `bundled/README.md` beside this module.
        trainable: keep each BatchNorm, for further training. By default it is folded into the convolution before it
            (`lbt.network.fold_batch_norm`): the same results, up to rounding, in about 0.6 of the time on a CPU.

    Raises:
        LbtError: the file is missing, damaged, of an older version, or not a network.
    """
    loaded = _network(path, load_checkpoint(path, kind=KIND, check_pickle=require_plain))
    if not trainable:
        loaded.network = fold_batch_norm(loaded.network)
    return loaded


def load_trained(path: Path | str, classes: Sequence[str], space: SpaceSettings) -> SegmentationNetwork:
    """Load the network for a stage, with its BatchNorms; the file must have these classes and this search space.

    Raises:
        LbtError: as for `load_network`, or the file has other classes or another space.
    """
    expect = {"classes": list(classes), "space": space.model_dump(mode="json")}
    return _network(path, load_checkpoint(path, kind=KIND, expect=expect, check_pickle=require_plain))


def _network(path: Path | str, content: dict[str, Any]) -> SegmentationNetwork:
    try:
        facts = read_facts(content)
        genotype = None
        if "baseline" not in content:
            genotype = Genotype.from_json(content.get("genotype"), facts.space, str(path))
        elif facts.method not in BASELINES or content["baseline"] != facts.method:
            found = visible(repr(content["baseline"]), 60)
            raise ValueError(f"baseline: {found} of {facts.method}, but there are {', '.join(BASELINES)}")
        with shapes_only():  # the file may describe a network that no memory holds
            network = build_network(genotype, facts.method, facts.space, len(facts.classes))
        network.auxiliary.clear()  # the heads that only training uses
        saved = content.get("network")
        if not isinstance(saved, dict):
            raise ValueError("its weights are not tensors by name")
        weights = {name: w for name, w in saved.items() if not str(name).startswith("auxiliary.")}
        require_shapes(weights, network.state_dict())
        require_sound(weights)
        network.to_empty(device="cpu").load_state_dict(weights)
        return SegmentationNetwork(network, **{name: getattr(facts, name) for name in type(facts).model_fields})
    except (TypeError, ValueError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LbtError(
            f"{path}: is not a network that this version of lbt can read ({first}). Rerun the stage that makes it."
        ) from error
