"""The time of a network's passes, without the cold ones."""

import numpy as np
import pytest
import torch

from lbt.inference import timed_network


class Counted:
    """A network whose pass takes a second for each pass before it is warm, by a clock of its own."""

    def __init__(self, cold):
        self.now, self.passes, self.cold = 0.0, {}, cold

    def __call__(self, image):
        size = tuple(image.shape[1:])
        self.passes[size] = self.passes.get(size, 0) + 1
        self.now += self.cold if self.passes[size] == 1 else 0.01
        return torch.zeros(size)


def test_cold_passes_do_not_count(monkeypatch):
    network = Counted(cold=1.0)
    monkeypatch.setattr(timed_network.time, "perf_counter", lambda: network.now)
    timed = timed_network.TimedNetwork(network)
    for height in (4, 4, 5, 6, 5):
        assert timed(np.zeros((height, 3, 3), np.uint8)).shape == (height, 3)
    assert network.passes == {(4, 3): 7, (5, 3): 2, (6, 3): 1}
    assert timed.seconds == pytest.approx([0.01] * 7)
    assert timed.describe() == "10.0 ms (100.0 FPS), images of several sizes, median of 7 warm passes"


def test_a_slow_network_computes_the_first_image_twice_only(monkeypatch):
    network = Counted(cold=9.0)
    monkeypatch.setattr(timed_network.time, "perf_counter", lambda: network.now)
    monkeypatch.setattr(timed_network, "_SECONDS", 0.005)
    timed = timed_network.TimedNetwork(network)
    timed(np.zeros((4, 8, 3), np.uint8))
    assert network.passes == {(4, 8): 2}
    assert timed.describe() == "10.0 ms (100.0 FPS), images of 8 x 4, median of 1 warm pass"
    assert timed.milliseconds == pytest.approx(10.0)


def test_threads_that_wait_for_each_other_are_named_if_a_pass_is_far_slower_than_the_profile():
    profile = {"median_ms": 10.0}
    said = timed_network.explain_slow(profile, (100, 200), 70.0, 100 * 200, threads=2)
    assert said.startswith("This is 7 times slower than the profile.") and "the 2 threads wait for each other" in said
    small = timed_network.explain_slow(profile, (100, 200), 70.0, 10 * 20, threads=2)
    assert small == said  # a small image takes no longer
    assert timed_network.explain_slow(profile, (100, 200), 280.0, 4 * 100 * 200, threads=2) == said
    usual = [
        timed_network.explain_slow(profile, (100, 200), 49.0, 100 * 200, threads=2),
        timed_network.explain_slow(profile, (100, 200), 70.0, 2 * 100 * 200, threads=2),
        timed_network.explain_slow(profile, (100, 200), 70.0, 100 * 200, threads=1),
        timed_network.explain_slow(None, None, 70.0, 100 * 200, threads=2),
    ]
    assert usual == [""] * 4
