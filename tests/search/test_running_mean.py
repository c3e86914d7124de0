"""Running means against their definition as a weighted sum."""

import math

import pytest
import torch

from lbt.runtime.checkpoint import load_checkpoint, load_state, save_checkpoint, to_state
from lbt.search.running_mean import RunningMean


def vectors(count):
    source = torch.Generator().manual_seed(3)
    return [{"a": torch.randn(2, 3, generator=source), "b": torch.randn((), generator=source)} for _ in range(count)]


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 1.0])
def test_it_is_the_weighted_mean_of_all_vectors(decay):
    mean, seen = RunningMean(decay), []
    for vector in vectors(6):
        seen.append(vector)
        found = mean.update(vector)
        weights = [decay ** (len(seen) - 1 - k) for k in range(len(seen))]
        assert mean.weight == pytest.approx(sum(weights))
        for name in vector:
            expected = sum(w * v[name] for w, v in zip(weights, seen, strict=True)) / sum(weights)
            torch.testing.assert_close(found[name], expected)


def test_looking_ahead_changes_nothing():
    mean, (first, second, third) = RunningMean(0.8), vectors(3)
    mean.update(first)
    ahead = mean.including(third)
    looked = mean.including(second)
    assert not torch.equal(ahead["a"], looked["a"])
    found = mean.update(second)
    assert all(torch.equal(looked[name], found[name]) for name in found)


def test_a_vector_that_is_not_finite_does_not_stay():
    mean, (first, second) = RunningMean(0.8), vectors(2)
    mean.update(first)
    bad = {name: value.clone() for name, value in second.items()}
    bad["b"].fill_(math.inf)
    assert not mean.update(bad)["b"].isfinite()
    expected = RunningMean(0.8)
    expected.update(first)
    assert torch.equal(mean.update(second)["a"], expected.update(second)["a"])


def test_the_callers_vectors_are_not_kept():
    mean, (first, second) = RunningMean(0.5), vectors(2)
    kept = first["a"].clone()
    mean.update(first)
    first["a"].zero_()
    torch.testing.assert_close(mean.update(second)["a"], (0.5 * kept + second["a"]) / 1.5)


@pytest.mark.parametrize("decay", [0.0, 0.9, 1.0])
def test_a_checkpoint_continues_it_bit_by_bit(decay, tmp_path):
    (*before, last), mean = vectors(4), RunningMean(decay)
    for vector in before:
        mean.update(vector)
    save_checkpoint(tmp_path / "mean.pt", kind="mean", identity={}, state={"mean": to_state(mean)})
    other = RunningMean(decay)
    load_state(other, load_checkpoint(tmp_path / "mean.pt", kind="mean")["mean"])
    expected, found = mean.update(last), other.update(last)
    assert other.weight == mean.weight
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_after_clearing_it_begins_anew():
    mean, (first, second) = RunningMean(1.0), vectors(2)
    mean.update(first)
    mean.clear()
    assert mean.weight == 0 and torch.equal(mean.update(second)["a"], second["a"]) and mean.weight == 1
