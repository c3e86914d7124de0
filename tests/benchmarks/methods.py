"""One architecture step of each search method: time and peak memory, as ratios to the first-order step (fasterseg).

LBT's step has two sides. The student's side is the student's validation gradient and the directional derivative. The
teacher's side is everything that runs the supernet, timed as the whole step with a stored result of the student's side.
Widths are the same in the teacher's step and in the architecture's, so every pass of the supernet has one size. All
steps are timed in turn, several times; each ratio is the median over these passes. Reverse mode through both unrolled
steps comes last, if memory suffices. At the default size the gradients in the weights are about half as large as the
features, which affects memory; in a search on larger crops they are smaller.

    python tests/benchmarks/methods.py [--layers 8 --base-width 6 --height 192 --width 384 --batch 2]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import median
from unittest.mock import patch

import psutil
import torch
from measuring import peak_memory, seconds_of
from real_steps import Steps, take_steps
from reverse_mode import Weights, reverse_mode, student_logits
from torch import Tensor

from lbt.config import ComputeSettings, SearchSettings, SpaceSettings, StudentSettings
from lbt.runtime.device import prepare_device
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import jvp, loss_gradient
from lbt.search.methods import load_method
from lbt.search.methods.lbt.pseudo_label_loss import weighted_cross_entropy
from lbt.search.methods.lbt.student import label_derivatives, validation_gradient
from lbt.search.methods.lpt.tester import creator_gradient
from lbt.search.step_context import StepContext
from lbt.search.tensor_dicts import add, norm, scale
from lbt.search.torchvision_network import labelled_loss

FIRST_ORDER, STUDENT_SIDE = "fasterseg", "lbt, student's side"
ONE_PASS, BOTH_PASSES = "forward and backward, unlabelled", "forward and backward, both"
REVERSE_TIMES = 9
"""About how much more memory reverse mode takes than a first-order step and a student's step together."""


def architecture_steps(steps: Steps) -> dict[str, Callable[[], object]]:
    """The architecture steps and their sides, by the name of their row."""
    found: dict[str, Callable[[], object]] = {
        FIRST_ORDER: lambda: load_method("fasterseg").architecture_gradient(steps.lbt),
        STUDENT_SIDE: lambda: (held_out_gradient(steps), label_derivatives(steps.lbt)),
    }
    derivatives = label_derivatives(steps.lbt)
    for gradient in ("direct", "one_step", "published"):
        context = replace(steps.lbt, search=steps.lbt.search.model_copy(update={"gradient": gradient}))

        def whole(context: StepContext = context) -> object:
            held_out_gradient(steps)
            return load_method("lbt").architecture_gradient(context)

        def teachers(context: StepContext = context) -> object:
            with patch("lbt.search.methods.lbt.student.label_derivatives", return_value=derivatives):
                return load_method("lbt").architecture_gradient(context)

        found |= {f"lbt {gradient}": whole, f"lbt {gradient}, teacher's side": teachers}
    found["lpt"] = lambda: load_method("lpt").architecture_gradient(steps.lpt)
    found["lpt, creator's gradient"] = lambda: creator_gradient(steps.lpt)
    return found


def held_out_gradient(steps: Steps) -> object:
    """The student's validation gradient, which the search computes after the student's step."""
    taken = steps.lbt.partner_step
    return validation_gradient(taken.network, taken.validation, taken.noise_seed, ALONE)


def student_passes(steps: Steps) -> dict[str, Callable[[], object]]:
    """The student's side in parts, and the passes of the student's weight step, for comparison."""
    taken = steps.lbt.partner_step
    parameters = {name: p.detach() for name, p in taken.network.named_parameters()}

    def logits(weights: Weights, images: Tensor) -> Tensor:
        return student_logits(steps.lbt, weights, images, taken.noise_seed)

    direction = taken.step.vjp_(scale(taken.validation_gradient, 1.0))

    def unlabelled() -> object:
        def loss(weights: Weights) -> Tensor:
            return weighted_cross_entropy(logits(weights, taken.unlabeled), steps.probability, taken.weight, ALONE)

        return loss_gradient(loss, parameters, ALONE)

    def labelled() -> object:
        images, labels = steps.labelled
        return loss_gradient(lambda weights: labelled_loss(logits(weights, images), labels, ALONE), parameters, ALONE)

    return {
        ONE_PASS: unlabelled,
        BOTH_PASSES: lambda: (unlabelled(), labelled()),
        "validation gradient": lambda: held_out_gradient(steps),
        "directional derivative": lambda: jvp(
            lambda weights: logits(weights, taken.unlabeled).log_softmax(dim=1), taken.step.before, direction
        ),
    }


def compare_with_reverse_mode(steps: Steps, title: str, seconds: list[float], peak: int, device: torch.device) -> None:
    """Print its time and memory, and how far `one_step` is from it."""
    exact = replace(steps.lbt, search=steps.lbt.search.model_copy(update={"gradient": "one_step"}))
    found = load_method("lbt").architecture_gradient(exact).gradient
    try:
        expected = reverse_mode(steps)
    except RuntimeError as error:
        if "is not implemented" not in str(error):
            raise
        print(f"\n{title}: left out, {error}")
        return
    memory = {title: peak_memory(lambda: reverse_mode(steps), device)}
    show("", timed({title: lambda: reverse_mode(steps)}, 1, device), memory, [median(seconds)], peak)
    print(f"one_step differs from it by {norm(add(found, expected, -1)) / norm(expected):.1e}")


def free_memory(device: torch.device) -> int:
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available


def timed(forms: Mapping[str, Callable[[], object]], passes: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each form in each pass, in turn."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(passes):
        for name, form in forms.items():
            times[name].append(seconds_of(form, device))
    return times


def show(
    title: str, times: Mapping[str, list[float]], memory: Mapping[str, int], base: list[float], base_memory: int
) -> None:
    print(f"\n{title:40}{'seconds':>10}{'ratio':>8}{'peak MiB':>10}{'ratio':>8}")
    for name, peak in memory.items():
        paired = paired_ratio(times[name], base)
        print(
            f"{name:40}{median(times[name]):10.3f}{paired:8.2f}{peak / 2**20:10.1f}{peak / base_memory:8.2f}",
            flush=True,
        )


def paired_ratio(mine: list[float], other: list[float]) -> float:
    """Median of the ratios within a pass."""
    return median(a / b for a, b in zip(mine, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--base-width", type=int, default=6)
    parser.add_argument("--height", type=int, default=192, help="of the supernet's images")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--classes", type=int, default=19)
    parser.add_argument("--passes", type=int, default=2, help="timed passes of each step, in turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--student", default="deeplabv3_resnet50", help="the student, and LPT's tester")
    parser.add_argument("--student-height", type=int, default=128)
    parser.add_argument("--student-width", type=int, default=256)
    parser.add_argument("--student-batch", type=int, default=4)
    parser.add_argument("--reverse", action=argparse.BooleanOptionalAction, default=True, help="reverse mode, too")
    options = parser.parse_args()
    device = prepare_device(ComputeSettings(device=options.device, threads=options.threads))
    space = SpaceSettings(layers=options.layers, base_width=options.base_width)
    crop = (options.student_height, options.student_width)
    search = SearchSettings(
        student=StudentSettings(model=options.student, crop=crop, batch_size=options.student_batch),
        student_term="raw",  # this and the next two change no work, but the gradient is the one of reverse mode
        second_order_limit=1e9,
        latency_balance=(1.0, 1.0, 1.0),
    )
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    print(f"L={space.layers} F={space.base_width} {options.height}x{options.width} batch {options.batch}, {name}")
    print(f"student and tester: {options.student}, {crop[0]}x{crop[1]} batch {options.student_batch}")
    print(f"PyTorch {torch.__version__}, {options.threads} threads")
    print("peak memory beyond what was allocated before the step", flush=True)
    steps = take_steps(space, search, options, device)

    forms = architecture_steps(steps)
    memory = {name: peak_memory(form, device) for name, form in forms.items()}  # and a first pass, which warms up
    times = timed(forms, options.passes, device)
    show("architecture step", times, memory, times[FIRST_ORDER], memory[FIRST_ORDER])
    for name in forms:
        if f"{name}, teacher's side" in forms:
            sides = [a + b for a, b in zip(times[f"{name}, teacher's side"], times[STUDENT_SIDE], strict=True)]
            print(f"both sides / whole step, {name}: {paired_ratio(sides, times[name]):.2f}")

    passes = {STUDENT_SIDE: forms[STUDENT_SIDE]} | student_passes(steps)
    students_memory = {name: peak_memory(form, device) for name, form in passes.items()}
    students = timed(passes, options.passes, device)
    show("student", students, students_memory, students[ONE_PASS], students_memory[ONE_PASS])
    whole = paired_ratio(students[STUDENT_SIDE], students[BOTH_PASSES])
    print(f"student's side / forward and backward of its weight step: {whole:.2f}")

    title, estimate = (
        "reverse mode through both steps",
        REVERSE_TIMES * (memory[FIRST_ORDER] + students_memory[ONE_PASS]),
    )
    if not options.reverse:
        print(f"\n{title}: left out")
    elif estimate > free_memory(device):
        print(f"\n{title}: left out, it may take {estimate / 2**30:.1f} GiB")
    else:
        compare_with_reverse_mode(steps, title, times[FIRST_ORDER], memory[FIRST_ORDER], device)


if __name__ == "__main__":
    main()
