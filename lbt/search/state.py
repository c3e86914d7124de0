"""What a round starts from and leaves: teacher, architecture, student and their optimisers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from lbt.artifacts import digest
from lbt.checkpoint import load_checkpoint, save_checkpoint
from lbt.config import SearchSettings, SpaceSettings
from lbt.optimisation import sgd
from lbt.search.student import build_student
from lbt.seeding import derive_seed
from lbt.space.supernet import Supernet

KIND = "supernet"


@dataclass
class SearchState:
    """The tensors of a search; `student` and its optimiser are None for methods without a student."""

    supernet: Supernet
    architecture: dict[str, Tensor]
    teacher_optimizer: torch.optim.Optimizer
    architecture_optimizer: torch.optim.Optimizer
    student: nn.Module | None
    student_optimizer: torch.optim.Optimizer | None


def identity_of(classes: tuple[str, ...], space: SpaceSettings, seed: int, method: str, round: int) -> dict:
    """What a supernet's checkpoint says of itself."""
    return {
        "classes": list(classes),
        "space": digest(space.model_dump(mode="json")),
        "seed": seed,
        "method": method,
        "round": round,
    }


def load_supernet(
    path: Path, classes: tuple[str, ...], space: SpaceSettings, device: torch.device
) -> tuple[Supernet, dict[str, Tensor], dict]:
    """The supernet and the architecture of a warm-up or of a round, and the whole checkpoint.

    Raises:
        LbtError: damaged file, other classes or another space.
    """
    expect = {"classes": list(classes), "space": digest(space.model_dump(mode="json"))}
    content = load_checkpoint(path, kind=KIND, expect=expect)
    supernet = Supernet(space, len(classes)).to(device)
    supernet.load_state_dict(content["supernet"])
    architecture = {name: value.to(device) for name, value in content["architecture"].items()}
    return supernet, architecture, content


def start_round(
    path: Path,
    *,
    classes: tuple[str, ...],
    space: SpaceSettings,
    search: SearchSettings,
    seed: int,
    teaches: bool,
    device: torch.device,
) -> SearchState:
    """The state after the checkpoint at `path`: of the warm-up (new optimisers and student) or of the last round."""
    supernet, architecture, content = load_supernet(path, classes, space, device)
    supernet.train()
    for leaf in architecture.values():
        leaf.requires_grad_()
    settings = search.architecture
    architecture_optimizer = torch.optim.Adam(
        list(architecture.values()),
        lr=settings.lr,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )
    student = student_optimizer = None
    if teaches:
        student = build_student(search.student, len(classes), derive_seed(seed, "student")).to(device)
        student_optimizer = sgd(student.parameters(), search.student.optimizer)
    state = SearchState(
        supernet,
        architecture,
        sgd(supernet.parameters(), search.teacher),
        architecture_optimizer,
        student,
        student_optimizer,
    )
    if content["identity"]["round"] > 0:
        state.teacher_optimizer.load_state_dict(content["teacher_optimizer"])
        state.architecture_optimizer.load_state_dict(content["architecture_optimizer"])
        if teaches:
            student.load_state_dict(content["student"])
            student_optimizer.load_state_dict(content["student_optimizer"])
    return state


def save_round(path: Path, state: SearchState, identity: dict) -> None:
    """Write the state of a finished round."""
    content = {
        "supernet": state.supernet.state_dict(),
        "architecture": {name: leaf.detach() for name, leaf in state.architecture.items()},
        "teacher_optimizer": state.teacher_optimizer.state_dict(),
        "architecture_optimizer": state.architecture_optimizer.state_dict(),
    }
    if state.student is not None:
        content["student"] = state.student.state_dict()
        content["student_optimizer"] = state.student_optimizer.state_dict()
    save_checkpoint(path, kind=KIND, identity=identity, state=content)
