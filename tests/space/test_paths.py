from itertools import product

import pytest
import torch

from lbt.space.paths import edge_probabilities

LAYERS = 6
NODES = [(layer, 16) for layer in range(2, LAYERS)] + [(layer, 32) for layer in range(3, LAYERS)]


def random_beta(seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        16: torch.randn(LAYERS - 2, 2, generator=generator, dtype=torch.float64).softmax(-1),
        32: torch.randn(LAYERS - 3, 2, generator=generator, dtype=torch.float64).softmax(-1),
    }


def walk(end, picks):
    """Edges ((layer, scale), stride) of the branch that ends at `end`, when each node's predecessor is decided."""
    edges, scale = {((LAYERS - 1, end), 1)}, end
    for layer in range(LAYERS - 1, 0, -1):
        from_finer = scale == 8 * 2**layer or picks.get((layer, scale)) == "down"
        if from_finer:
            scale //= 2
        edges.add(((layer - 1, scale), 2 if from_finer else 1))
    return edges


def brute_force(beta, ends):
    """Probability of each edge by enumerating every decision of every node."""
    found = {}
    for decision in product(("down", "keep"), repeat=len(NODES)):
        picks = dict(zip(NODES, decision, strict=True))
        chance = 1.0
        for (layer, scale), pick in picks.items():
            row = layer - (2 if scale == 16 else 3)
            chance *= beta[scale][row, 0 if pick == "down" else 1]
        for edge in set().union(*(walk(end, picks) for end in ends)):
            found[edge] = found.get(edge, 0.0) + chance
    return found


@pytest.mark.parametrize("ends", [(8,), (16,), (32,), (32, 16), (32, 8), (16, 8), (32, 16, 8)])
def test_probabilities_equal_an_enumeration_of_all_decisions(ends):
    beta = random_beta(0)
    edges = edge_probabilities(beta, ends, LAYERS)
    expected = brute_force(beta, ends)
    found = {(node, 1): p for node, p in edges.keep.items()} | {(node, 2): p for node, p in edges.down.items()}
    assert set(found) >= set(expected)
    for edge, probability in found.items():
        torch.testing.assert_close(probability, torch.as_tensor(expected.get(edge, 0.0), dtype=torch.float64))


def test_the_edges_of_a_branch_sum_to_one_path():
    for end, downs in ((8, 0), (16, 1), (32, 2)):
        edges = edge_probabilities(random_beta(1), (end,), LAYERS)
        assert float(sum(edges.down.values(), torch.tensor(0.0))) == pytest.approx(downs)
        assert float(sum(edges.keep.values())) == pytest.approx(LAYERS - downs)


def test_a_shared_prefix_counts_once():
    beta = {16: torch.tensor([[0.0, 1.0]] * 4).double(), 32: torch.tensor([[0.0, 1.0]] * 3).double()}
    beta[32][-1] = torch.tensor([1.0, 0.0])
    edges = edge_probabilities(beta, (32, 16), LAYERS)
    used = {node for node, p in edges.keep.items() if p > 0}, {node for node, p in edges.down.items() if p > 0}
    assert used == ({(1, 16), (2, 16), (3, 16), (4, 16), (5, 16), (5, 32)}, {(0, 8), (4, 16)})
    assert all(p in (0.0, 1.0) for p in (*edges.keep.values(), *edges.down.values()))


def test_gradient_is_that_of_a_finite_difference():
    logits = {
        scale: torch.randn(LAYERS - 1 - index, 2, dtype=torch.float64, requires_grad=True)
        for index, scale in enumerate((16, 32), start=1)
    }

    def weighted(sixteen, thirty_two):
        edges = edge_probabilities({16: sixteen.softmax(-1), 32: thirty_two.softmax(-1)}, (32, 16), LAYERS)
        values = [*edges.keep.values(), *edges.down.values()]
        return sum(p * (index + 1) for index, p in enumerate(values))

    assert torch.autograd.gradcheck(weighted, (logits[16], logits[32]))


@pytest.mark.parametrize("ends", [(), (16, 16), (4,)])
def test_branches_must_end_at_distinct_known_scales(ends):
    with pytest.raises(ValueError, match="distinct scales"):
        edge_probabilities(random_beta(0), ends, LAYERS)
