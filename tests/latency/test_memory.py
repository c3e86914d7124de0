"""The memory of a pass: a known number of bytes, whether or not an earlier pass has left memory behind."""

import sys

import pytest
import torch

from lbt.latency.memory import measure_peak

MEGABYTES = 200
CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports resident memory")
def test_a_pass_takes_what_it_allocates_at_once():
    def allocate():
        torch.ones(MEGABYTES * 250_000)  # of 4 bytes
        torch.ones(MEGABYTES * 125_000)  # after the first is gone

    for _ in range(2):
        assert measure_peak(allocate, CPU) == pytest.approx(MEGABYTES * 1e6, rel=0.1)
    assert measure_peak(lambda: None, CPU) < 5e6
