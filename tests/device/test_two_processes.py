"""Two processes with a pretended GPU each take the steps of one process on the CPU, and mix no devices."""

from __future__ import annotations

import sys
from itertools import repeat
from pathlib import Path

import pytest
from pretended_gpu import pretended_gpu
from pretended_memory import CPU, CUDA
from steps import SIDE, build_steps

from lbt.config import StudentSettings
from lbt.runtime.distributed import group

sys.path.append(str(Path(__file__).parents[1] / "runtime" / "distributed"))
from pair import Pair

STUDENT = StudentSettings(model="lraspp_mobilenet_v3_large", crop=(SIDE, SIDE), batch_size=4)


def steps_on_gpu(method: str) -> list[dict[str, float]]:
    with pretended_gpu():
        return build_steps(CUDA, 4, group()).search(method, repeat(0), 2, student=STUDENT)


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", ["lbt", "lpt"])
def test_two_processes_take_the_steps_of_one(method):
    pair = Pair()
    try:
        found = pair.run(steps_on_gpu, method)
    finally:
        pair.close()
    expected = build_steps(CPU, 4).search(method, repeat(0), 2, student=STUDENT)
    for rows in found:
        for row, other in zip(rows, expected, strict=True):
            # Float32 rounds sums over processes otherwise. Cosines of tiny gradients differ most.
            compared = [name for name in other if name != "seconds" and "cosine" not in name]
            for name in compared:
                assert row[name] == pytest.approx(other[name], rel=0.05, abs=0.005, nan_ok=True), name
            assert row.keys() == other.keys()
