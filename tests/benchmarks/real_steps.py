"""The state that an architecture step starts from: a supernet and its partners after a real step of weights each."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings
from lbt.latency.parts import space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.methods import load_method
from lbt.search.state import SearchState
from lbt.search.step_context import StepContext
from lbt.search.teacher_step import teacher_step
from lbt.space.architecture import initial_architecture
from lbt.space.padding import upsample
from lbt.space.supernet import Supernet
from lbt.space.widths import gumbel_noise, sample_widths
from lbt.training.optimizers import GuardedStep, sgd

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Steps:
    """A supernet and its partners after a real step of weights each.

    Attributes:
        teaching, testing: the architecture step with LBT's student and with LPT's tester.
        labelled: the student's labelled batch.
        probability: the labels of its unlabelled images.
    """

    teaching: StepContext
    testing: StepContext
    labelled: Batch
    probability: Tensor


def take_steps(
    space: SpaceSettings, search: SearchSettings, options: argparse.Namespace, device: torch.device
) -> Steps:
    """Random images, labels and weights, and one step of each network's weights."""
    source = torch.Generator().manual_seed(0)
    torch.manual_seed(0)

    def batch(count: int = options.batch, size: tuple[int, int] = (options.height, options.width)) -> Batch:
        labels = torch.randint(options.classes, (count, *size), generator=source)
        return torch.randn(count, 3, *size, generator=source).to(device), labels.to(device)

    supernet = Supernet(space, options.classes).to(device).train()
    logits = {name: value.to(device).requires_grad_() for name, value in initial_architecture(space, source).items()}
    state = SearchState(supernet, logits, sgd(supernet.parameters(), search.teacher), None, 0.01)
    noise = {name: value.to(device) for name, value in gumbel_noise(space, source).items()}
    _, taught = teacher_step(state, batch(), noise, space, search, GuardedStep("teacher", supernet))
    key = TableKey("invented", "eager", "float32", options.height, options.width, 1, options.classes, "none")
    context = StepContext(
        supernet=supernet,
        architecture=logits,
        noise=noise,
        validation=batch(),
        space=space,
        search=search,
        table=LatencyTable(Path("invented"), key, dict.fromkeys(space_parts(space, options.classes), 1.0)),
        latency_weight=0.01,
        teacher_step=taught,
    )
    student = search.student.batch_size, search.student.crop
    labelled, (unlabeled, _), held_out, bank = (batch(*student) for _ in range(4))
    with torch.no_grad():  # the labels that the teacher gives after its step, those of reverse mode
        widths, weights = sample_widths(logits, space, noise), dict(supernet.named_parameters())
        answer = call_without_side_effects(supernet, weights, unlabeled, logits, widths)[0]
        probability = upsample(answer.softmax(dim=1), student[1])
    contexts = []
    for method, lesson in (("lbt", (unlabeled, probability)), ("lpt", bank)):
        partner = load_method(method).partner(search, options.classes, 0, device)
        partner.begin_round(method, 1.0, Path("none"))
        contexts.append(replace(context, partner_step=partner.train_step((labelled, lesson, held_out), 1)[1]))
    return Steps(*contexts, labelled, probability)
