"""Steps, labelling, retraining and inference at the published size, beside their plain forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from figures import Counter, figures, milliseconds, synchronise
from report import Measurement
from torch import Tensor

from lbt.config import RetrainSettings, SearchSettings, SpaceSettings, StudentSettings
from lbt.latency.parts import list_space_parts
from lbt.latency.table import LatencyTable, TableKey
from lbt.network.derivation_rule import derive_genotype
from lbt.network.network import Network
from lbt.runtime.checkpoint import save_checkpoint
from lbt.runtime.device import Precision
from lbt.runtime.distributed import ALONE
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.search.loop import RoundPlan, take_steps
from lbt.search.methods import load_method
from lbt.search.state import start_round
from lbt.space import supernet_file
from lbt.space.architecture import SCALES, Architecture, architecture_from_json, initial_architecture
from lbt.space.calibration import calibrate_supernet
from lbt.space.padding import upsample
from lbt.space.supernet import Supernet
from lbt.space.supernet_file import KIND, load_supernet, supernet_identity
from lbt.space.widths import argmax_widths, draw_random_widths, max_widths, min_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import sgd
from lbt.training.retrain_loss import pixel_loss, retraining_loss
from lbt.training.retrain_optimizer import build_optimizer

RELEASED = Path(__file__).resolve().parents[1] / "network" / "fasterseg_arch_1.json"


@dataclass(frozen=True)
class Size:
    """Sizes of the measurements.

    Attributes:
        layers, base_width, classes: of the space.
        crop, batch: of a search step; `warmup_batch` of a warm-up step.
        student: name, crop and batch of the student.
        retrain_batch: images of a retraining step, at `crop`.
        images: sizes of labelling and inference.
        repeats: timed calls of each form.
    """

    layers: int
    base_width: int
    classes: int
    crop: tuple[int, int]
    batch: int
    warmup_batch: int
    student: StudentSettings
    retrain_batch: int
    images: tuple[tuple[int, int], ...]
    repeats: int

    @property
    def space(self) -> SpaceSettings:
        """The search space."""
        return SpaceSettings(layers=self.layers, base_width=self.base_width)


PUBLISHED = Size(
    16,
    12,
    19,
    (512, 1024),
    2,
    3,
    StudentSettings(model="deeplabv3_resnet50", crop=(512, 512), batch_size=8),
    12,
    ((1024, 2048), (512, 1024)),
    5,
)
"""As in config/cityscapes.yaml."""
SMALL = Size(
    4,
    2,
    5,
    (64, 64),
    2,
    2,
    StudentSettings(model="lraspp_mobilenet_v3_large", crop=(64, 64), batch_size=2),
    2,
    ((64, 96),),
    2,
)
"""For a rehearsal on a CPU."""
SEARCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "fasterseg": ("fasterseg", {}),
    "lpt": ("lpt", {}),
    "lbt direct": ("lbt", {"gradient": "direct"}),
    "lbt one_step": ("lbt", {"gradient": "one_step"}),
}


class Noise:
    """Batches of noise on a device.

    Args:
        size: the sizes.
        device: receives the tensors.
    """

    def __init__(self, size: Size, device: torch.device) -> None:
        self.size, self.device = size, device

    def images(self, count: int, shape: tuple[int, int]) -> Tensor:
        """(count, 3, H, W)."""
        source = torch.Generator().manual_seed(0)
        return torch.randn(count, 3, *shape, generator=source).to(self.device)

    def batch(self, count: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Images, and labels in blocks of 8 x 8 pixels."""
        source = torch.Generator().manual_seed(1)
        blocks = torch.randint(self.size.classes, (count, shape[0] // 8, shape[1] // 8), generator=source)
        labels = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)
        return self.images(count, shape), labels.to(self.device)

    def soft(self, count: int, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Images and soft labels."""
        images, labels = self.batch(count, shape)
        hard = torch.nn.functional.one_hot(labels, self.size.classes).movedim(-1, 1).float()
        return images, 0.9 * hard + 0.1 / self.size.classes


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
        """A warm-up step: four passes, clipping, SGD."""
        supernet, architecture = self.supernet()
        supernet.train()
        optimizer = sgd(supernet.parameters(), SearchSettings().teacher)
        space, draws = self.size.space, torch.Generator().manual_seed(0)
        images, labels = self.noise.batch(self.size.warmup_batch, self.size.crop)

        def step() -> None:
            random = (draw_random_widths(space, draws) for _ in range(2))
            for widths in (max_widths(space), min_widths(space), *random):
                with Precision(precision, self.device.type).applied() as forward:
                    supernet_loss(forward(supernet, images, architecture, widths), labels, ALONE).backward()
            torch.nn.utils.clip_grad_norm_(supernet.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

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


class Clock:
    """Times the steps of a loop that takes its batches from `each`; the last step is counted by the profiler."""

    def __init__(self, device: torch.device, steps: int) -> None:
        self.device, self.steps, self.counter = device, steps, Counter(device)
        self.times: list[float] = []
        self.peak = 0

    def each(self, batch: tuple[Tensor, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """The same batch for each step."""
        from time import perf_counter

        for step in range(self.steps):
            synchronise(self.device)
            self.times.append(perf_counter())
            if step == 2 and self.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self.device)
            if step == self.steps - 1:
                if self.device.type == "cuda":
                    self.peak = torch.cuda.max_memory_allocated(self.device)
                self.counter.start()
            yield batch

    def figures(self) -> dict[str, Any]:
        """Milliseconds of the steps but the first, the first one's, and what the last one launched."""
        counted = self.counter.stop()
        times = [b - a for a, b in zip(self.times, self.times[1:], strict=False)]
        later = sorted(times[1:])
        found = {"ms": milliseconds(later[len(later) // 2]), "first_ms": milliseconds(times[0])}
        found["ms_of_each"] = [milliseconds(t) for t in times]
        return found | ({"peak_mib": round(self.peak / 2**20)} if self.peak else {}) | counted


def derived_network(size: Size) -> Network:
    """FasterSeg's released arch_1, or at another size the network of the first logits."""
    torch.manual_seed(0)
    if size.layers == 16:
        released = json.loads(RELEASED.read_text(encoding="utf-8"))
        value = {f"{kind}.{s}": rows for kind in ("alpha", "beta", "gamma") for s, rows in released[kind].items()}
        logits = architecture_from_json(value, SpaceSettings())
    else:
        logits = initial_architecture(size.space, torch.Generator().manual_seed(0))
    return Network(derive_genotype(logits, size.space), size.space, size.classes)


def retrain(size: Size, device: torch.device, *, precision: str, channels_last: bool) -> Any:
    """A retraining step: cross-entropy of all heads, AdamW."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = derived_network(size).to(device).to(memory_format=layout).train()
    settings = RetrainSettings(loss="cross_entropy")
    images, labels = Noise(size, device).batch(size.retrain_batch, size.crop)
    images = images.to(memory_format=layout)
    loss_of, optimizer = pixel_loss(settings, None, ALONE), build_optimizer(model, settings.optimizer)
    losses: list[float] = []

    def step() -> None:
        with Precision(precision, device.type).applied() as forward:
            loss = retraining_loss(
                forward(model.heads, images), labels, loss_of, settings.auxiliary_weight, upsampled=False
            )
            loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))

    return figures(step, device, repeats=size.repeats) | {"losses": losses[:3]}


def infer(size: Size, device: torch.device, shape: tuple[int, int], form: str, precision: str) -> Any:
    """One image through the derived network in one of the forms; its difference from eager float32."""
    network = derived_network(size).to(device).eval()
    images = Noise(size, device).images(1, shape)
    with torch.no_grad():
        expected = network(images)
        if form != "eager":
            network, images = (
                network.to(memory_format=torch.channels_last),
                images.to(memory_format=torch.channels_last),
            )
        call: Callable[..., Any] = network
        if form == "compiled":
            call = torch.compile(network, mode="reduce-overhead" if device.type == "cuda" else None)
        with Precision(precision, device.type).applied() as forward:

            def run() -> Tensor:
                return forward(call, images)

            if form == "graph":
                run = captured(run)
            found = figures(run, device, repeats=4 * size.repeats)
            result = run()
    agree = (result.argmax(1) == expected.argmax(1)).float().mean()
    difference = (result - expected).abs().max() / expected.abs().max()
    return found | {"labels_equal": float(agree), "largest_difference": float(difference)}


def captured(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The call as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = run()

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay


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


def network_forms(size: Size, device: torch.device, precisions: tuple[str, ...]) -> Iterator[Measurement]:
    """Retraining and inference of a derived network; compiled forms come last, because a compilation takes a minute."""
    for precision in precisions:
        for channels_last in (False, True):
            title = f"retraining step, {precision}, {'channels-last' if channels_last else 'contiguous'}"
            yield title, lambda p=precision, last=channels_last: retrain(size, device, precision=p, channels_last=last)
    graphs = ("graph",) if device.type == "cuda" else ()
    for form in ("eager", "channels-last", *graphs, "compiled"):
        for shape in size.images:
            for precision in precisions:
                title = f"inference {shape[0]}x{shape[1]}, {form}, {precision}"
                yield title, lambda shape=shape, form=form, p=precision: infer(size, device, shape, form, p)
