"""Steps of each kind on noise, on any device, at the smallest size: launches do not depend on widths and pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbt.config import SearchSettings, SpaceSettings, StudentSettings
from lbt.latency.parts import list_space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.runtime.distributed import ALONE, Group
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.search.cosearch import create_guide
from lbt.search.loop import RoundPlan, take_steps
from lbt.search.methods import load_method
from lbt.search.state import SearchState
from lbt.search.warmup import warmup_step
from lbt.space.architecture import Architecture, initial_architecture
from lbt.space.calibration import calibrate_supernet
from lbt.space.supernet import Supernet, memory_formats
from lbt.space.widths import argmax_widths, draw_random_widths, max_widths, min_widths
from lbt.training.optimizers import GuardedStep, adam, sgd

CLASSES, SIDE = 4, 64
KEY = TableKey("invented", "eager", "float32", SIDE, SIDE, 1, CLASSES, "none")
STUDENT = StudentSettings(model="deeplabv3_resnet50", crop=(SIDE, SIDE), batch_size=4)


@dataclass(frozen=True)
class Steps:
    """A supernet on the device, its architecture on the host, and steps of them on noise."""

    device: torch.device
    supernet: Supernet
    architecture: Architecture
    processes: Group = ALONE

    @property
    def space(self) -> SpaceSettings:
        """The search space."""
        return self.supernet.space

    def batch(self, seed: int, size: int = 2) -> tuple[Tensor, Tensor]:
        """This process's rows of a batch of images and labels."""
        source, rows = torch.Generator().manual_seed(seed), self.processes.rows(size)
        images = torch.randn(size, 3, SIDE, SIDE, generator=source)
        labels = torch.randint(CLASSES, (size, SIDE, SIDE), generator=source)
        return images[rows].to(self.device), labels[rows].to(self.device)

    def soft_batch(self, seed: int, size: int) -> tuple[Tensor, Tensor]:
        """Images and soft labels."""
        images, _ = self.batch(seed, size)
        return images, torch.full((len(images), CLASSES, SIDE, SIDE), 1 / CLASSES).to(self.device)

    def search(self, method: str, prepared: Iterator[Any], steps: int, **settings: Any) -> list[dict[str, float]]:
        """Steps of a round; `prepared` is asked before each step, when its batches are on the device."""
        search = SearchSettings(**{"student": STUDENT, "batch_size": 2, **settings})
        chosen = load_method(method)
        state = SearchState(
            self.supernet,
            {name: logits.clone().requires_grad_() for name, logits in self.architecture.items()},
            sgd(self.supernet.parameters(), search.teacher),
            None,  # type: ignore[arg-type]  # follows, because it needs the logits
            0.01,
            chosen.partner(search, CLASSES, 0, self.device, self.processes),
        )
        if search.cosearch:
            state.guide = create_guide(self.space, search.architecture, torch.Generator().manual_seed(1))
        state.architecture_optimizer = adam(state.architecture.values(), search.architecture)
        middle, size = self.soft_batch if method == "lbt" else self.batch, STUDENT.batch_size
        partners = [(self.batch(1, size), middle(2, size), self.batch(3, size)) for _ in range(steps)]
        plan = RoundPlan(
            method=chosen,
            seed=0,
            round=1,
            train=(batch for batch, _ in zip([self.batch(4) for _ in range(steps)], prepared, strict=False)),
            validation=iter([self.batch(5) for _ in range(steps)]),
            batches=iter(partners),
            space=self.space,
            search=search,
            table=LatencyTable(Path("table"), KEY, dict.fromkeys(list_space_parts(self.space, CLASSES), 1.0)),
            last_good=Path("none"),
            processes=self.processes,
        )
        with Progress(f"search {method}", steps, None, shown=False) as progress:
            return take_steps(state, plan, progress, Resume())

    def calibrate(self, prepared: Iterator[Any], steps: int) -> None:
        """Recompute the statistics from one batch, `steps` times."""
        for (images, _), _ in zip([self.batch(7) for _ in range(steps)], prepared, strict=False):
            calibrate_supernet(self.supernet, self.architecture, self.space, [images])

    def label(self, prepared: Iterator[Any], steps: int) -> None:
        """The logits of one image, as the teacher labels it, `steps` times."""
        self.supernet.eval()
        widths = argmax_widths(self.architecture, self.space)
        for (images, _), _ in zip([self.batch(8) for _ in range(steps)], prepared, strict=False):
            with torch.no_grad():
                self.supernet(images[:1], self.architecture, widths)

    def warm_up(self, prepared: Iterator[Any], steps: int) -> list[dict[str, float]]:
        """Steps of the warm-up."""
        optimizer = sgd(self.supernet.parameters(), SearchSettings().teacher)
        guard, draws = GuardedStep("supernet", self.supernet), torch.Generator().manual_seed(0)
        rows = []
        for batch, _ in zip([self.batch(6) for _ in range(steps)], prepared, strict=False):
            sizes = (
                max_widths(self.space),
                min_widths(self.space),
                *(draw_random_widths(self.space, draws) for _ in range(2)),
            )
            rows.append(
                warmup_step(self.supernet, batch, self.architecture, sizes, optimizer, guard, 5.0, self.processes)
            )
        return rows


def build_steps(device: torch.device, layers: int, processes: Group = ALONE) -> Steps:
    """The same weights and logits on any device."""
    space = SpaceSettings(layers=layers, base_width=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        supernet = Supernet(space, CLASSES, memory_formats(device))
    logits = initial_architecture(space, torch.Generator().manual_seed(0))
    return Steps(device, supernet.to(device).train(), logits, processes)
