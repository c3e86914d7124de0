"""Random genotypes at a given latency: inside the window, uniform after the constraint, or a clear refusal."""

from collections import Counter
from math import sqrt

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.derivation.draw_at_latency import draw_genotype
from lbt.errors import LbtError
from lbt.latency.expected import genotype_latency
from lbt.latency.window import reachable_latency
from lbt.network.derivation_rule import build_branch, candidate_paths
from lbt.network.genotype import BRANCH_SCALES, Genotype
from lbt.network.random_genotype import random_genotype
from lbt.space.architecture import architecture_shapes

SPACE = SpaceSettings(layers=4, base_width=2, width_twelfths=(6, 12), branches="best", min_length=2)


def test_a_draw_meets_the_latency_and_follows_the_seed(synthetic_table):
    table = synthetic_table(SPACE)
    target = genotype_latency(random_genotype(SPACE, torch.Generator().manual_seed(5)), SPACE, table)
    window = (0.98 * target, 1.02 * target)
    drawn = [draw_genotype(SPACE, table, window, seed) for seed in range(10)]
    assert all(window[0] <= genotype_latency(genotype, SPACE, table) <= window[1] for genotype in drawn)
    assert len({str(genotype) for genotype in drawn}) > 1
    assert draw_genotype(SPACE, table, window, 3) == drawn[3]


def test_without_a_window_every_latency_occurs(synthetic_table):
    table = synthetic_table(SPACE)
    found = {round(genotype_latency(draw_genotype(SPACE, table, None, s), SPACE, table), 1) for s in range(30)}
    assert len(found) > 5


def draw_plainly(generator):
    """A random network as the search would derive it from logits of independent equal distributions."""
    logits = {key: torch.randn(shape, generator=generator) for key, shape in architecture_shapes(SPACE).items()}
    choices = BRANCH_SCALES[SPACE.branches]
    ends, branches = choices[int(torch.randint(len(choices), (), generator=generator))], []
    for end in ends:
        paths = candidate_paths(SPACE.layers, end)
        downs = paths[int(torch.randint(len(paths), (), generator=generator))]
        branches.append(build_branch(logits, SPACE, downs))
    return Genotype(tuple(branches))


def features(genotype):
    """The values that each test of uniformity counts."""
    coarse, fine = (branch.cells for branch in genotype.branches)
    return {
        "ends and lengths": (genotype.branches[1].scale, len(coarse), len(fine)),
        "layers of the finer branch": tuple(cell.layer for cell in fine),
        "operators": (coarse[0].operator, fine[-1].operator),
        "widths": (coarse[0].width_twelfths, coarse[1].width_twelfths, genotype.shared_prefix()),
    }


def test_accepted_draws_are_uniform_after_the_constraint(synthetic_table):
    """Against plain rejection with another way of drawing, pruning and summing; two-sample chi-square."""
    table, generator = synthetic_table(SPACE), torch.Generator().manual_seed(0)
    plain = [draw_plainly(generator) for _ in range(2500)]
    latencies = sorted(genotype_latency(genotype, SPACE, table) for genotype in plain)
    window = (latencies[1000], latencies[1750])
    accepted = [g for g in plain if window[0] <= genotype_latency(g, SPACE, table) <= window[1]]
    drawn = [draw_genotype(SPACE, table, window, seed) for seed in range(400)]
    assert not all(window[0] <= latency <= window[1] for latency in latencies)
    for feature in features(drawn[0]):
        counts = [Counter(features(genotype)[feature] for genotype in sample) for sample in (drawn, accepted)]
        factor = sqrt(counts[1].total() / counts[0].total())
        common = [value for value in counts[0] | counts[1] if counts[0][value] + counts[1][value] >= 10]
        statistic = sum(
            (counts[0][v] * factor - counts[1][v] / factor) ** 2 / (counts[0][v] + counts[1][v]) for v in common
        )
        freedom = len(common) - 1
        assert freedom > 0
        assert statistic < freedom + 4 * sqrt(2 * freedom) + 3, feature  # a chance of about 1 in 10,000


def test_an_unreachable_latency_names_the_reachable_range(synthetic_table):
    table = synthetic_table(SPACE)
    least, most = reachable_latency(SPACE, table)
    for window in ((0.0, least * 0.99), (most * 1.01, most * 2)):
        with pytest.raises(LbtError, match=rf"They reach {least:.4g} to {most:.4g} ms\. Change"):
            draw_genotype(SPACE, table, window, 0)


def test_the_message_says_that_a_latency_is_rare(synthetic_table, monkeypatch):
    monkeypatch.setattr("lbt.derivation.draw_at_latency.DRAWS", 50)
    table = synthetic_table(SPACE)
    least, _ = reachable_latency(SPACE, table)
    with pytest.raises(LbtError, match=r"can be reached .* but none of 50 random architectures has it.*tolerance"):
        draw_genotype(SPACE, table, (least, least * 1.000001), 0)
