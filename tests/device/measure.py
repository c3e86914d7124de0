"""What a GPU needs to show, in at most eight minutes: correct stages, times, launches, memory, repeatability.

    python tests/device/measure.py --out gpu.json

The results are JSON, written after each measurement. A rehearsal on a CPU, at a small size:

    python tests/device/measure.py --out cpu.json --device cpu --small

It needs PyTorch, torchvision and what `lbt` imports, but neither Snakemake nor an installed package.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import torch  # noqa: E402
from measured_sizes import PUBLISHED, SMALL  # noqa: E402
from network_forms import network_forms  # noqa: E402
from report import Measurement, Report  # noqa: E402
from search_steps import search_steps  # noqa: E402
from stage_chain import compare_stages, repeat_round  # noqa: E402

from lbt.config import ComputeSettings  # noqa: E402
from lbt.runtime.device import describe_devices, prepare_device  # noqa: E402

SHARES = {"stages": 0.3, "steps": 0.3, "repeatability": 0.1, "network": 0.3}
"""Share of the time that each part may take. What a part leaves goes to the next ones."""


def describe_machine(compute: ComputeSettings) -> dict[str, Any]:
    """The device, its software, and PyTorch's own choice of TF32."""
    found: dict[str, Any] = {"devices": describe_devices(compute, 1), "torch": torch.__version__}
    found |= {"python": platform.python_version(), "threads": compute.threads}
    if torch.cuda.is_available():
        found |= {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
        query = ["nvidia-smi", "--query-gpu=driver_version,memory.total,clocks.max.sm", "--format=csv,noheader"]
        try:
            found["nvidia-smi"] = subprocess.run(query, capture_output=True, text=True, timeout=30).stdout.strip()
        except OSError:
            found["nvidia-smi"] = "absent"
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--small", action="store_true", help="the smallest sizes, for a rehearsal")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all parts together")
    parser.add_argument("--only", nargs="+", choices=SHARES, default=tuple(SHARES), help="parts to run")
    parser.add_argument("--threads", type=int, default=4)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    tf32 = {"cudnn": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32}
    compute = ComputeSettings(device=options.device, threads=options.threads)
    device, size = prepare_device(compute), SMALL if options.small else PUBLISHED
    # On a CPU TF32 is float32.
    precisions = ("float32", "tf32", "bfloat16") if device.type == "cuda" else ("float32", "bfloat16")
    report = Report(options.out, 60 * options.minutes)
    report.record("machine", "description", describe_machine(compute) | {"tf32_by_default": tf32})
    with tempfile.TemporaryDirectory(prefix="lbt-measure-") as name:
        folder = Path(name)
        parts: dict[str, Callable[[], Iterator[Measurement]]] = {
            "stages": lambda: compare_stages(folder / "stages", device.type, precisions),
            "steps": lambda: search_steps(size, device, folder / "steps", precisions),
            "repeatability": lambda: repeat_round(folder / "stages", device.type, precisions[:1]),
            "network": lambda: network_forms(size, device, precisions),
        }
        planned = 0.0
        for part in options.only:
            planned += SHARES[part]
            end = started + 60 * options.minutes * planned / sum(SHARES[name] for name in options.only)
            report.run(part, parts[part](), end - time.monotonic())
            prepare_device(compute)
    report.record("seconds", "in all", round(time.monotonic() - started, 1))


if __name__ == "__main__":
    main()
