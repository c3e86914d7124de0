"""Retraining and inference of a derived network at a given size, beside their plain forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from figures import figures
from measured_sizes import Noise, Size
from report import Measurement
from torch import Tensor

from lbt.config import RetrainSettings, SpaceSettings
from lbt.network.derivation_rule import derive_genotype
from lbt.network.network import Network
from lbt.runtime.device import Precision
from lbt.runtime.distributed import ALONE
from lbt.space.architecture import architecture_from_json, initial_architecture
from lbt.training.retrain_loss import pixel_loss, retraining_loss
from lbt.training.retrain_optimizer import build_optimizer

RELEASED = Path(__file__).resolve().parents[1] / "network" / "fasterseg_arch_1.json"


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
