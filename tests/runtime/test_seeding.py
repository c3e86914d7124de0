"""Seeds of random streams: equal for equal parts only."""

import torch

from lbt.runtime.seeding import derive_seed, generator


def test_equal_parts_give_equal_seeds_and_streams():
    assert derive_seed("search", 1, 2) == derive_seed("search", 1, 2)
    assert torch.equal(torch.rand(3, generator=generator("a", 1)), torch.rand(3, generator=generator("a", 1)))


def test_the_boundary_between_parts_counts():
    """Joined without a separator, all of these would be `111` or `a1`."""
    seeds = [derive_seed(*parts) for parts in ((1, 11), (11, 1), (111,), (1, 1, 1), ("a", 1), ("a1",))]
    assert len(set(seeds)) == len(seeds)
    first, second = (torch.rand(4, generator=generator(*parts)) for parts in ((1, 11), (11, 1)))
    assert not torch.equal(first, second)


def test_seeds_are_in_the_range_that_pytorch_takes():
    assert all(0 <= derive_seed(number) < 2**63 for number in range(1000))
