"""What a round starts from and leaves: teacher, architecture, guide, partner and their optimisers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings
from lbt.errors import LbtError
from lbt.runtime.checkpoint import load_state, save_checkpoint, to_state
from lbt.runtime.seeding import derive_seed, generator
from lbt.search.method import Method, Partner
from lbt.space.architecture import initial_architecture
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import KIND, load_supernet
from lbt.training.optimizers import adam, sgd


@dataclass
class SearchState:
    """The tensors of a search, and the latency's weight.

    Attributes:
        supernet, teacher_optimizer: the teacher's weights T and their optimiser.
        architecture, architecture_optimizer: the logits A as leaves and their optimiser.
        latency_weight: weight of the expected latency in milliseconds in stage 3.
        partner: the network that learns beside the supernet; None for methods without one.
        guide, guide_optimizer: the second architecture of a co-search (see `lbt.search.cosearch`), or None.
        skips: the skipped updates in a row with which the last round ended, by guard (see `lbt.training.optimizers`): a
        short
            round must not hide weights that are lost.
    """

    supernet: Supernet
    architecture: dict[str, Tensor]
    teacher_optimizer: torch.optim.Optimizer
    architecture_optimizer: torch.optim.Optimizer
    latency_weight: float
    partner: Partner | None = None
    guide: dict[str, Tensor] | None = None
    guide_optimizer: torch.optim.Optimizer | None = None
    skips: dict[str, dict[str, Any]] = field(default_factory=dict)

    def parts(self) -> dict[str, Any]:
        """All that learns, by its name in a checkpoint; see `lbt.runtime.checkpoint`."""
        parts = {
            "supernet": self.supernet,
            "architecture": self.architecture,
            "teacher_optimizer": self.teacher_optimizer,
            "architecture_optimizer": self.architecture_optimizer,
        }
        if self.partner is not None:
            parts |= self.partner.parts()
        if self.guide is not None:
            parts |= {"guide": self.guide, "guide_optimizer": self.guide_optimizer}
        return parts


def start_round(
    path: Path,
    *,
    classes: tuple[str, ...],
    space: SpaceSettings,
    search: SearchSettings,
    seed: int,
    method: Method,
    round: int,
    device: torch.device,
) -> SearchState:
    """The state after the checkpoint at `path`: of the warm-up (all but the supernet is new) or of the last round.

    Raises:
        LbtError: see `load_supernet`; a checkpoint of another method, seed or round; a round's checkpoint without what
            these settings continue from, such as a guide; first weights of the partner that cannot be had.
    """
    supernet, architecture, content = load_supernet(path, classes, space, device)
    found = {key: content["identity"][key] for key in ("method", "seed", "round")}
    wanted = {"method": "warmup" if round == 1 else method.name, "seed": seed, "round": round - 1}
    if found != wanted:
        raise LbtError(
            f"{path}: is of {_origin(found)}; round {round} of {method.name} starts from {_origin(wanted)}. Name the "
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
    )
    if method.partner is not None:
        state.partner = method.partner(
            search, len(classes), derive_seed(seed, "student"), device, pretrained=round == 1
        )
    if search.cosearch:
        state.guide = {k: v.to(device) for k, v in initial_architecture(space, generator(seed, "guide")).items()}
        # gamma is there for the shape only: the guide has the full width everywhere
        moving = [leaf.requires_grad_() for name, leaf in state.guide.items() if not name.startswith("gamma")]
        state.guide_optimizer = adam(moving, search.architecture)
    if round > 1:
        _continue(state, content, path, steered=search.fps is not None)
    return state


def _continue(state: SearchState, content: dict[str, Any], path: Path, *, steered: bool) -> None:
    """Bring a fresh state to where the last round left it; `content` is that round's checkpoint."""
    settings = {"guide": "search.cosearch", "latency_weight": "search.fps"}
    for key in settings:
        wanted = steered if key == "latency_weight" else state.guide is not None
        if wanted and key not in content:
            raise LbtError(
                f"{path}: holds no {key}, from which a round with {settings[key]} continues. Delete the round's folder "
                f"{path.parent} and those of the rounds before it, and search again."
            )
    load_state(state.parts(), content)
    state.skips = content["skips"]
    if steered:
        state.latency_weight = content["latency_weight"]


def _origin(identity: dict[str, Any]) -> str:
    return f"{identity['method']} (seed {identity['seed']}, round {identity['round']})"


def save_round(path: Path, state: SearchState, identity: dict) -> None:
    """Write the state of a finished round."""
    content = to_state(state.parts()) | {"latency_weight": state.latency_weight, "skips": state.skips}
    save_checkpoint(path, kind=KIND, identity=identity, state=content)
