"""The state before an architecture step: a supernet, a student and a tester after a real step of weights each."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings
from lbt.latency.parts import list_space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.method import Partner
from lbt.search.methods import load_method
from lbt.search.state import SearchState
from lbt.search.step_context import StepContext
from lbt.search.teacher_step import teacher_step
from lbt.space.architecture import initial_architecture
from lbt.space.padding import upsample
from lbt.space.supernet import Supernet, memory_formats
from lbt.space.widths import draw_width_passes
from lbt.training.optimizers import GuardedStep, sgd

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Steps:
    """A supernet, a student and a tester after a real step of weights each.

    Attributes:
        lbt, lpt: the architecture step with LBT's student and with LPT's tester.
        labelled: the student's labelled batch.
        probability: the labels of its unlabelled images.
    """

    lbt: StepContext
    lpt: StepContext
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

    supernet = Supernet(space, options.classes, memory_formats(device)).to(device).train()
    logits = {name: value.requires_grad_() for name, value in initial_architecture(space, source).items()}
    partner = Partner(search, options.classes, 0, device, ALONE)
    state = SearchState(supernet, logits, sgd(supernet.parameters(), search.teacher), None, 0.01, partner)
    passes = draw_width_passes(search.width_passes, space, source)
    _, teacher = teacher_step(state, batch(), passes, space, search, GuardedStep("teacher", supernet), ALONE)
    key = TableKey("invented", "eager", "float32", options.height, options.width, 1, options.classes, "none")
    context = StepContext(
        supernet=supernet,
        architecture=logits,
        passes=passes,
        validation=batch(),
        space=space,
        search=search,
        table=LatencyTable(Path("invented"), key, dict.fromkeys(list_space_parts(space, options.classes), 1.0)),
        latency_weight=0.01,
        processes=ALONE,
        teacher_step=teacher,
    )
    student = search.student.batch_size, search.student.crop
    labelled, (unlabeled, _), held_out, bank = (batch(*student) for _ in range(4))
    with torch.no_grad():  # the teacher's labels after its step, as in reverse mode
        widths, weights = passes[0](logits), dict(supernet.named_parameters())
        outputs = call_without_side_effects(supernet, weights, unlabeled, logits, widths)[0]
        probability = upsample(outputs.softmax(dim=1), student[1])
    contexts = []
    for method, middle in (("lbt", (unlabeled, probability)), ("lpt", bank)):
        partner = load_method(method).partner(search, options.classes, 0, device, ALONE)
        partner.begin_round(method, 1.0, Path("none"))
        contexts.append(replace(context, partner_step=partner.train_step((labelled, middle, held_out), 1)[1]))
    return Steps(*contexts, labelled, probability)
