"""The state of a search between two rounds: teacher, architecture, guide, partner and their optimisers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lbt.config import SpaceSettings
from lbt.config.round import RoundSearch
from lbt.errors import LbtError
from lbt.runtime.checkpoint import load_checkpoint, load_state, save_checkpoint, to_state
from lbt.runtime.distributed import Group
from lbt.runtime.seeding import derive_seed, generator
from lbt.search.cosearch import Guide, create_guide
from lbt.search.method import Method, Partner
from lbt.search.running_mean import RunningMean
from lbt.space.architecture import Architecture
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import KIND, load_supernet
from lbt.training.optimizers import adam, sgd

STATE_KIND = "training state"


@dataclass
class SearchState:
    """The tensors of a search, and the latency's weight.

    Attributes:
        supernet, teacher_optimizer: the teacher's weights T and their optimiser.
        architecture, architecture_optimizer: the logits A as leaves on the host, and their optimiser.
        latency_weight: weight of the expected latency in milliseconds in stage 3.
        partner: the second model that the method trains beside the supernet.
        guide: the second architecture of a co-search, or None.
        mean_gradient: of the architecture, over the steps since it moved last.
        skips: by guard, the streak of skipped updates with which the previous round ended (see `GuardedStep`). Without
            it, rounds that are too short to reach the limit would hide lost weights.
    """

    supernet: Supernet
    architecture: Architecture
    teacher_optimizer: torch.optim.SGD
    architecture_optimizer: torch.optim.Optimizer
    latency_weight: float
    partner: Partner
    guide: Guide | None = None
    mean_gradient: RunningMean = field(default_factory=lambda: RunningMean(decay=1.0))
    skips: dict[str, dict[str, Any]] = field(default_factory=dict)

    def parts(self) -> dict[str, Any]:
        """Everything that a step changes, by name; see `lbt.runtime.checkpoint`."""
        return {"supernet": self.supernet, "architecture": self.architecture} | self.training_parts()

    def training_parts(self) -> dict[str, Any]:
        """What only the next round reads of it."""
        parts: dict[str, Any] = {
            "teacher_optimizer": self.teacher_optimizer,
            "architecture_optimizer": self.architecture_optimizer,
            "mean_gradient": self.mean_gradient,
        }
        parts |= self.partner.parts()
        if self.guide is not None:
            parts |= {"guide": self.guide.architecture, "guide_optimizer": self.guide.optimizer}
        return parts


def start_round(
    path: Path,
    previous: Path | None,
    student: Path | None,
    *,
    classes: tuple[str, ...],
    space: SpaceSettings,
    search: RoundSearch,
    seed: int,
    method: Method,
    round: int,
    device: torch.device,
    processes: Group,
) -> SearchState:
    """Load the checkpoint of the previous round, or those of the warm-ups, after which the rest is new.

    Args:
        path: the checkpoint of the previous round, or of the supernet's warm-up.
        previous: the training state of the previous round; None for the first round.
        student: the checkpoint of the student's warm-up, for the first round of a method with a student.

    Raises:
        LbtError: see `load_supernet` and `Partner.begin_search`; a checkpoint of another method, seed or round; a
            checkpoint without a part that these settings need, such as a guide.
    """
    supernet, architecture, content = load_supernet(path, classes, space, device)
    found = {key: content["identity"].get(key) for key in ("method", "seed", "round")}
    expected = {"method": "warmup" if round == 1 else method.name, "seed": seed, "round": round - 1}
    if found != expected:
        raise LbtError(
            f"{path}: is of {_origin(found)}; round {round} of {method.name} starts from {_origin(expected)}. Name the "
            "right file."
        )
    supernet.train()
    for leaf in architecture.values():
        leaf.requires_grad_()
    state = SearchState(
        supernet,
        architecture,
        sgd(supernet.parameters(), search.teacher),
        adam(architecture.values(), search.architecture),
        search.latency_weight,
        method.partner(search, len(classes), derive_seed(seed, "student"), device, processes),
    )
    if student is not None:
        state.partner.begin_search(student, classes, seed)
    if search.cosearch:
        state.guide = create_guide(space, search.architecture, generator(seed, "guide"))
    if previous is not None:
        rest = load_checkpoint(previous, kind=STATE_KIND, expect=content["identity"])
        _load_previous(state, rest, previous, steered=search.fps is not None)
    return state


def _load_previous(state: SearchState, content: dict[str, Any], path: Path, *, steered: bool) -> None:
    """Load `content`, the training state of the previous round, into a fresh state."""
    required = {"guide": ("search.cosearch", state.guide is not None), "latency_weight": ("search.fps", steered)}
    for key, (setting, is_set) in required.items():
        if is_set and key not in content:
            raise LbtError(
                f"{path}: holds no {key}, from which a round with {setting} continues. Delete the round's folder "
                f"{path.parent} and those of the rounds before it, and search again."
            )
    try:
        load_state(state.training_parts(), content)
        state.skips = content["skips"]
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LbtError(
            f"{path}: does not fit these settings ({first}). Delete its round's folder, and search again."
        ) from error
    if steered:
        state.latency_weight = content["latency_weight"]


def _origin(identity: dict[str, Any]) -> str:
    return f"{identity['method']} (seed {identity['seed']}, round {identity['round']})"


def save_round(path: Path, rest: Path, state: SearchState, identity: dict[str, Any]) -> None:
    """Write the state of a finished round: supernet and architecture, and into `rest` its training state."""
    content = to_state(state.training_parts()) | {"latency_weight": state.latency_weight, "skips": state.skips}
    save_checkpoint(rest, kind=STATE_KIND, identity=identity, state=content)
    network = to_state({"supernet": state.supernet, "architecture": state.architecture})
    save_checkpoint(path, kind=KIND, identity=identity, state=network)
