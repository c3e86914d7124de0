"""Steps of the warm-up and of the search, labelling and calibration at a given size, beside their plain forms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from figures import Clock, figures
from measured_sizes import Noise, Size
from report import Measurement

from lbt.config import SearchSettings
from lbt.latency.parts import list_space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.runtime.checkpoint import save_checkpoint
from lbt.runtime.device import Precision
from lbt.runtime.distributed import ALONE
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.search.loop import RoundPlan, take_steps
from lbt.search.methods import load_method
from lbt.search.state import start_round
from lbt.search.warmup import warmup_step
from lbt.space import supernet_file
from lbt.space.architecture import SCALES, Architecture, initial_architecture
from lbt.space.calibration import calibrate_supernet
from lbt.space.padding import upsample
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import KIND, load_supernet, supernet_identity
from lbt.space.widths import argmax_widths, draw_random_widths, max_widths, min_widths
from lbt.training.optimizers import GuardedStep, sgd

SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "fasterseg": ("fasterseg", {}),
    "lpt": ("lpt", {}),
    "lbt direct": ("lbt", {"gradient": "direct"}),
    "lbt one_step": ("lbt", {"gradient": "one_step"}),
}


class Steps:
    """A supernet at the given size in a checkpoint, and steps of it.

    Args:
        size: the sizes.
        device: where the steps run.
        folder: for the checkpoint.
    """

    def __init__(self, size: Size, device: torch.device, folder: Path) -> None:
        self.size, self.device, self.path = size, device, folder / "supernet.pt"
        self.noise, self.names = Noise(size, device), tuple(f"class {i}" for i in range(size.classes))
        self._loaded: tuple[Supernet, Architecture] | None = None
        if not self.path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            torch.manual_seed(0)
            supernet = Supernet(size.space, size.classes)
            logits = initial_architecture(size.space, torch.Generator().manual_seed(0))
            identity = supernet_identity(self.names, size.space, 0, "warmup", 0)
            state = {"supernet": supernet.state_dict(), "architecture": logits}
            save_checkpoint(self.path, kind=KIND, identity=identity, state=state)

    def supernet(self) -> tuple[Supernet, Architecture]:
        """The supernet and its logits; it is loaded once, because that takes seconds."""
        if self._loaded is None:
            found, architecture, _ = load_supernet(self.path, self.names, self.size.space, self.device)
            self._loaded = found, architecture
        return self._loaded

    def warm_up(self, precision: str) -> Any:
        """The step of the warm-up."""
        supernet, architecture = self.supernet()
        supernet.train()
        optimizer = sgd(supernet.parameters(), SearchSettings().teacher)
        guard, form = GuardedStep("supernet", supernet), Precision(precision, self.device.type)
        space, draws = self.size.space, torch.Generator().manual_seed(0)
        batch = self.noise.batch(self.size.warmup_batch, self.size.crop)

        def step() -> None:
            sizes = max_widths(space), min_widths(space), *(draw_random_widths(space, draws) for _ in range(2))
            warmup_step(supernet, batch, architecture, sizes, optimizer, guard, 5.0, ALONE, form)

        return figures(step, self.device, repeats=self.size.repeats)

    def warm_up_in(self, layout: torch.memory_format, precision: str) -> Any:
        """`warm_up` with one memory format at all scales."""
        kept, self._loaded = self._loaded, None
        try:
            with patch.object(supernet_file, "memory_formats", lambda _: dict.fromkeys(SCALES, layout)):
                return self.warm_up(precision)
        finally:
            self._loaded = kept

    def search(self, name: str, precision: str) -> Any:
        """Steps of a round on noise, through the loop of the search itself."""
        method, changes = SEARCHES[name]
        size, student, noise = self.size, self.size.student, self.noise
        search = SearchSettings(**{"student": student, "batch_size": size.batch, **changes})
        chosen = load_method(method)
        state = start_round(
            self.path,
            None,
            None,
            classes=self.names,
            space=size.space,
            search=search,
            seed=0,
            method=chosen,
            round=1,
            device=self.device,
            processes=ALONE,
        )
        steps = size.repeats + 2
        clock = Clock(self.device, steps)
        middle = noise.soft if method == "lbt" else noise.batch
        shape = (student.batch_size, student.crop)
        partner = (noise.batch(*shape), middle(*shape), noise.batch(*shape))
        batch = noise.batch(size.batch, size.crop)
        key = TableKey("invented", "eager", "float32", *size.crop, 1, size.classes, "none")
        parts = dict.fromkeys(list_space_parts(size.space, size.classes), 0.1)
        plan = RoundPlan(
            method=chosen,
            seed=0,
            round=1,
            train=clock.each(batch),
            validation=iter([batch] * steps),
            batches=iter([partner] * steps),
            space=size.space,
            search=search,
            table=LatencyTable(self.path, key, parts),
            last_good=self.path,
            processes=ALONE,
            precision=Precision(precision, self.device.type),
        )
        with Progress(name, steps, None, shown=False) as progress:
            rows = take_steps(state, plan, progress, Resume())
        found = clock.figures()
        return found | {"losses": [float(row["teacher_loss"]) for row in rows[:3]]}

    def label(self, shape: tuple[int, int], precision: str) -> Any:
        """One image as the teacher labels it."""
        supernet, architecture = self.supernet()
        supernet.eval()
        widths = argmax_widths(architecture, self.size.space)
        images = self.noise.images(1, shape)

        @torch.no_grad()
        def step() -> None:
            with Precision(precision, self.device.type).applied() as forward:
                low = forward(supernet, images, architecture, widths)[0].softmax(1)
            upsample(low, shape)[0].max(dim=0)

        return figures(step, self.device, repeats=self.size.repeats)

    def calibrate(self) -> Any:
        """A batch of the calibration of BatchNorm."""
        supernet, architecture = self.supernet()
        images = self.noise.images(self.size.batch, self.size.crop)

        def step() -> None:
            calibrate_supernet(supernet, architecture, self.size.space, [images])

        return figures(step, self.device, repeats=2)


def search_steps(size: Size, device: torch.device, folder: Path, precisions: tuple[str, ...]) -> Iterator[Measurement]:
    """Warm-up, search steps, labelling and calibration."""
    steps = Steps(size, device, folder)
    for precision in precisions:
        yield f"warm-up step, {precision}", lambda precision=precision: steps.warm_up(precision)
    for name in SEARCHES:
        yield f"search step, {name}, float32", lambda name=name: steps.search(name, "float32")
    for precision in precisions:
        for shape in size.images:
            title = f"label {shape[0]}x{shape[1]}, {precision}"
            yield title, lambda shape=shape, precision=precision: steps.label(shape, precision)
    yield "calibration of a batch", steps.calibrate
    for precision in precisions:
        for layout in (torch.channels_last, torch.contiguous_format):
            title = f"warm-up step, {precision}, all scales {str(layout).removeprefix('torch.')}"
            yield title, lambda precision=precision, layout=layout: steps.warm_up_in(layout, precision)
    for precision in precisions[1:]:
        for name in ("fasterseg", "lbt direct"):
            title = f"search step, {name}, {precision}"
            yield title, lambda name=name, precision=precision: steps.search(name, precision)
