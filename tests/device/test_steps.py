"""Steps on a pretended GPU: what they launch, how often the host waits, and that no device is mixed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from pretended_gpu import pretended_gpu
from pretended_memory import CPU, CUDA, MixedDevicesError, PretendedGpu
from quick import quick_first
from steps import SIDE, Steps, build_steps

from lbt.config import PseudoLabelSettings, StudentSettings
from lbt.space.supernet import GPU_FORMATS

LAYERS = 16
SMALL = StudentSettings(model="lraspp_mobilenet_v3_large", crop=(SIDE, SIDE), batch_size=4)
HARD = PseudoLabelSettings(targets="hard", weighting="confidence", threshold=0.1)


Step = Callable[[Steps, Iterator[Any]], object]


def search(method: str, **settings: Any) -> Step:
    return lambda steps, prepared: steps.search(method, prepared, 2, **settings)


STEPS = {
    "fasterseg": (search("fasterseg"), 16_500, 3),
    "calibrated batch": (lambda steps, prepared: steps.calibrate(prepared, 2), 6_000, 2),
    "labelled image": (lambda steps, prepared: steps.label(prepared, 2), 3_000, 1),
    "lbt, direct": (search("lbt"), 28_000, 4),
    "warm-up": (lambda steps, prepared: steps.warm_up(prepared, 2), 30_000, 2),
    "lbt, one_step": (search("lbt", gradient="one_step"), 60_000, 6),
    "lbt, published": (search("lbt", gradient="published"), 60_000, 6),
    "random": (search("random"), 10_000, 2),
    "lpt": (search("lpt"), 28_000, 8),
}
"""By kind: its second step, and at L = 16 the most launches and waits."""
COPIES = 6
"""Most copies up to the device in a step, beside those that wait: the numbers of A, once a pass."""


def counts_of(step: Step, layers: int) -> PretendedGpu:
    """The counts of the second step: the first one makes momenta, too."""
    with pretended_gpu() as gpu:
        steps = build_steps(CUDA, layers)
        step(steps, chain([0], (gpu.clear() for _ in repeat(0))))
    return gpu


@pytest.mark.parametrize("kind", quick_first(2, STEPS))
def test_a_step_launches_and_waits_at_most_so_often(kind):
    step, launches, waits = STEPS[kind]
    gpu = counts_of(step, LAYERS)
    assert 0 < gpu.launches.total() <= launches, gpu.report()
    assert gpu.waits.total() <= waits, gpu.report()
    assert gpu.copies.total() - gpu.waits.total() <= COPIES, gpu.report()


VARIANTS = {
    "lbt": search("lbt", student=SMALL, gradient="one_step", student_memory=0.9, label_steps=2, pseudo_labels=HARD),
    "co-search": search("fasterseg", cosearch=True, fps=(1, 1000), width_passes=("sampled", "max", "min")),
    "lpt": search("lpt", student=SMALL),
    "published": search("lbt", student=SMALL, gradient="published", student_term="raw"),
    "accumulated": search("lbt", student=SMALL, architecture={"accumulate": 2}, entropy_weight=0.1),
}
"""Steps with settings that take other ways."""


@pytest.mark.parametrize("kind", quick_first(1, VARIANTS))
def test_no_setting_mixes_devices(kind):
    assert counts_of(VARIANTS[kind], 4).waits.total() <= 12


@pytest.mark.exhaustive
def test_steps_on_the_pretended_gpu_give_the_numbers_of_the_cpu(monkeypatch):
    # Another memory format sums in another order, and steps enlarge the difference.
    monkeypatch.setattr("lbt.space.supernet.CPU_FORMATS", GPU_FORMATS)
    with pretended_gpu():
        found = build_steps(CUDA, 4).search("lbt", repeat(0), 2, student=SMALL)
    for row, other in zip(found, build_steps(CPU, 4).search("lbt", repeat(0), 2, student=SMALL), strict=True):
        assert {**row, "seconds": 0} == pytest.approx({**other, "seconds": 0}, rel=1e-5, nan_ok=True)


def test_a_mix_of_devices_fails():
    with pretended_gpu():
        steps = build_steps(CUDA, 4)
        steps.supernet.stem.cpu()
        with pytest.raises(MixedDevicesError, match="convolution at space/slimmable"):
            steps.label(repeat(0), 1)
