"""One seed of the angle study: a warmed-up supernet, a student trained on its labels, and steps from point to point."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import torch.nn.functional as F
from stage_calls import call_stage
from torch import Tensor, nn
from unrolled_steps import Moment, live_step

from lbt.config import OptimizerSettings, Settings, StudentSettings
from lbt.config.read import read_settings
from lbt.data.classes import class_table
from lbt.files import sha256
from lbt.latency.parts import list_space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.pseudo_labels.shard_format import PseudoLabels, ShardIdentity
from lbt.runtime.device import prepare_device
from lbt.runtime.distributed import ALONE
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.runtime.seeding import derive_seed, generator
from lbt.search.batches import RoundStreams
from lbt.search.loop import RoundPlan, take_steps
from lbt.search.methods.lbt import METHOD
from lbt.search.state import SearchState
from lbt.search.step_context import StepContext
from lbt.space.supernet_file import load_supernet
from lbt.space.widths import draw_width_passes
from lbt.training.optimizers import GuardedStep, adam, settle, sgd


def study_settings(options: argparse.Namespace) -> Settings:
    """The settings of `options.config` at the size of the study."""
    settings = read_settings(options.config)
    crop, size = (options.height, options.width), options.batch_size
    student = StudentSettings(
        model=options.student, crop=crop, batch_size=size, optimizer=OptimizerSettings(lr=options.student_lr)
    )
    eta = settings.search.architecture.model_copy(update={"lr": options.architecture_lr})
    changes = {
        "data": {"root": str(options.root)},
        "augmentation": {"crop": crop},
        "space": {"layers": options.layers, "base_width": options.base_width},
        "warmup": {"epochs": options.warmup_epochs, "batch_size": size},
        "search": {
            "batch_size": size,
            "student": student,
            "architecture": eta,
            "teacher": OptimizerSettings(lr=options.teacher_lr),
            "latency_weight": 0.0,
            "decay": 1.0,
            "shards": 1,
            "pseudo_labels": settings.search.pseudo_labels.model_copy(update={"ratio": options.label_ratio}),
        },
        "compute": {"device": "cpu", "threads": 1},
    }
    sections = {name: getattr(settings, name).model_copy(update=update) for name, update in changes.items()}
    return settings.model_copy(update=sections)


class StudySeed:
    """The supernet, student and streams of one seed, from the warm-up on.

    Args:
        settings: of the study.
        seed: seed of everything except the split of the data.
        options: numbers of steps.
        split: the split of the data.
        folder: for the warm-up's checkpoint and the labels.
    """

    def __init__(self, settings: Settings, seed: int, options: argparse.Namespace, split: Path, folder: Path) -> None:
        self.settings, self.seed, self.options = settings, seed, options
        self.space, self.search = settings.space, settings.search
        device, classes = prepare_device(settings.compute), class_table(settings.data)
        self.checkpoint, soft = folder / "warmup.pt", folder / "probability.h5"
        data = {"data": settings.data, "compute": settings.compute, "space": self.space, "split": split}
        call_stage(
            "warmup",
            seed=seed,
            augmentation=settings.augmentation,
            warmup=settings.warmup,
            evaluation=settings.evaluation,
            checkpoint=self.checkpoint,
            metrics=folder / "warmup.csv",
            **data,
        )
        names = {"seed": seed, "method": "lbt", "round": 1, "code": ""}
        written = {"labels": folder / "labels.h5", "probabilities": soft}
        call_stage("label", shard=0, search=self.search, teacher=self.checkpoint, **written, **names, **data)
        labels = PseudoLabels([soft], classes.names, ShardIdentity(teacher=sha256(self.checkpoint), **names))

        supernet, architecture, _ = load_supernet(self.checkpoint, classes.names, self.space, device)
        leaves = {name: leaf.requires_grad_() for name, leaf in architecture.items()}
        teacher = sgd(supernet.train().parameters(), self.search.teacher)
        partner = METHOD.partner(self.search, len(classes.names), derive_seed(seed, "student"), device, ALONE)
        optimizer = adam(leaves.values(), self.search.architecture)
        self.state = SearchState(supernet, leaves, teacher, optimizer, 0.0, partner)
        make_twice_differentiable(partner.network)

        key = TableKey("none", "eager", "float32", *self.settings.latency.input_size, 1, len(classes.names), "none")
        self.table = LatencyTable(folder, key, dict.fromkeys(list_space_parts(self.space, len(classes.names)), 1.0))
        streams = RoundStreams(
            seed, 1, split, classes, settings.data, settings.augmentation, device, settings.compute.workers
        )
        steps = options.points * (options.between + options.unroll)
        size = self.search.batch_size
        self.train = streams.labelled("teacher_train", "teacher_train", steps, size)
        self.validation = streams.labelled("teacher_val", "teacher_val", steps, size)
        self.batches = partner.batches(streams, options.student_steps + steps, labels)

    def train_student(self) -> None:
        """The student's first steps, on the labels of the warmed-up supernet."""
        partner, steps = self.state.partner, self.options.student_steps
        partner.begin_round("first steps", 1.0, self.checkpoint)
        with Progress(f"student seed-{self.seed}", steps) as progress:
            for step, batch in enumerate(islice(self.batches, steps)):
                values, taken = partner.train_step(batch, derive_seed(self.seed, "first dropout", step))
                measured, skipped = settle(partner.guards, values)
                if not skipped:
                    partner.keep_step(taken)
                progress.advance(loss=measured["student_loss"])

    def seek(self, point: int) -> None:
        """Ordinary steps of the search, in which the architecture moves."""
        steps = self.options.between
        plan = RoundPlan(
            method=METHOD,
            seed=self.seed,
            round=point,
            train=islice(self.train, steps),
            validation=self.validation,
            batches=islice(self.batches, steps),
            space=self.space,
            search=self.search,
            table=self.table,
            last_good=self.checkpoint,
            processes=ALONE,
        )
        with Progress(f"search seed-{self.seed} point-{point}", steps) as progress:
            take_steps(self.state, plan, progress, Resume())

    def unroll(self, point: int) -> tuple[StepContext, list[Moment]]:
        """`options.unroll` steps with the architecture held fixed, and what an architecture step sees after them."""
        draws, guard = generator(self.seed, "angles", point), GuardedStep("teacher", self.state.supernet)
        moments = [
            live_step(
                self.state,
                batch,
                next(self.batches),
                draw_width_passes(("sampled", "sampled"), self.space, draws),
                derive_seed(self.seed, "angles", point, step),
                self.space,
                self.search,
                guard,
            )
            for step, batch in enumerate(islice(self.train, self.options.unroll))
        ]
        context = StepContext(
            supernet=self.state.supernet,
            architecture=self.state.architecture,
            passes=(moments[-1].labelling,),
            validation=next(self.validation),
            space=self.space,
            search=self.search,
            table=self.table,
            latency_weight=0.0,
            processes=ALONE,
            teacher_step=moments[-1].teacher,
            partner_step=moments[-1].student,
        )
        return context, moments


class TwiceHardsigmoid(nn.Module):
    """Hardsigmoid that can be differentiated twice; PyTorch's can be differentiated once only."""

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> (...), x / 6 + 1 / 2 within [0, 1]."""
        return F.hardtanh(x / 6 + 0.5, 0.0, 1.0)


def make_twice_differentiable(network: nn.Module) -> None:
    """Replace each Hardsigmoid by `TwiceHardsigmoid`; values, parameters and their names do not change."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Hardsigmoid):
                setattr(module, name, TwiceHardsigmoid())
