"""The reachable latencies of a space, against every network of tiny spaces and random networks of the default one."""

from dataclasses import replace
from itertools import permutations, product

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.latency.costs import NetworkCosts
from lbt.latency.expected import genotype_latency
from lbt.latency.steering import predict_fps, steer
from lbt.latency.window import check_window, reachable_latency
from lbt.network.derivation_rule import candidate_paths, find_pruned_skips, minimum_length, path_scales
from lbt.network.genotype import BRANCH_SCALES
from lbt.network.random_genotype import draw_random_branches, random_genotype


def even_table(table, seed, *, operators):
    """Cells that cost 1 to 1.3 ms, so that one more always costs more than any other choice saves.

    Only the first of two operators counts where `operators` is 1, so that others need not be tried.
    """
    generator = torch.Generator().manual_seed(seed)
    alike = {"conv_2x": "conv", "zoom": "zoom_2x"}
    made, milliseconds = {}, {}
    for part in table.milliseconds:
        name = "conv" if operators == 1 and part.operator else alike.get(part.operator, part.operator)
        chosen = replace(part, operator=name)
        if chosen not in made:
            share = float(torch.rand((), generator=generator, dtype=torch.float64))
            made[chosen] = 1 + 0.3 * share if part.part == "cell" else 0.1 + 0.1 * share
        milliseconds[part] = made[chosen]
    return replace(table, milliseconds=milliseconds)


def prunings(space, paths):
    """The pruned layers of each branch, for every choice of skips and every order of their probabilities."""
    rows = [
        [(layer, scale) for layer, scale in enumerate(path_scales(downs, space.layers)) if layer not in downs]
        for downs in paths
    ]
    least = [minimum_length(space, path_scales(downs, space.layers)[-1]) for downs in paths]
    union, found = sorted(set().union(*rows)), set()
    for count in range(len(union) + 1):
        for order in permutations(union, count):
            ranks = {row: rank for rank, row in enumerate(order)}
            skips = [{row[0]: ranks[row] for row in branch if row in ranks} for branch in rows]
            found.add(
                tuple(
                    frozenset(find_pruned_skips(*pair, space.layers, minimum))
                    for *pair, minimum in zip(skips, paths, least, strict=True)
                )
            )
    return found


def all_networks(space, operators):
    """Branches of every network that can be derived: choices of alpha and gamma are shared where branches meet."""
    for ends in BRANCH_SCALES[space.branches]:
        for paths in product(*(candidate_paths(space.layers, end) for end in ends)):
            for pruned in prunings(space, paths):
                kept = [
                    [
                        (layer, scale, 2 if layer in downs else 1)
                        for layer, scale in enumerate(path_scales(downs, space.layers))
                        if layer not in gone
                    ]
                    for downs, gone in zip(paths, pruned, strict=True)
                ]
                alpha = sorted({cell[:2] for cells in kept for cell in cells})
                gamma = sorted({(layer + 1, scale * stride) for cells in kept for layer, scale, stride in cells[:-1]})
                for names in product(operators, repeat=len(alpha)):
                    operator = dict(zip(alpha, names, strict=True))
                    for twelfths in product(space.width_twelfths, repeat=len(gamma)):
                        width = dict(zip(gamma, twelfths, strict=True))
                        yield [
                            [
                                *((la, s, operator[la, s], k, width[la + 1, s * k]) for la, s, k in cells[:-1]),
                                (*cells[-1][:2], operator[cells[-1][:2]], 1, space.head_twelfths),
                            ]
                            for cells in kept
                        ]


@pytest.mark.parametrize("branches", ["16+32", "8+32", "32", "best"])
@pytest.mark.parametrize(
    ("layers", "min_length", "widths", "operators"),
    [
        (4, None, (4, 12), ("conv", "zoom_2x")),
        (4, 1, (4, 12), ("conv", "zoom_2x")),
        (5, None, (12,), ("conv", "zoom_2x")),
        (5, 3, (4, 12), ("conv",)),
        (5, 1, (4, 12), ("conv",)),
    ],
)
def test_range_is_that_of_all_networks(layers, min_length, widths, operators, branches, synthetic_table):
    space = SpaceSettings(
        layers=layers, min_length=min_length, width_twelfths=widths, stem_twelfths=6, branches=branches
    )
    networks = list(all_networks(space, operators))
    for seed in range(3):
        table = even_table(synthetic_table(space), seed, operators=len(operators))
        costs = NetworkCosts(space, table)
        found = [costs.milliseconds(network) for network in networks]
        least, most = reachable_latency(space, table)
        assert least == pytest.approx(min(found), abs=1e-9)
        assert most >= max(found) - 1e-9
        # Branches that meet again after they parted are not made to agree on operators and widths.
        assert most == pytest.approx(max(found), rel=1e-12 if branches == "32" else 0.03)


@pytest.mark.parametrize("layers", [7, 8, 16])
@pytest.mark.parametrize("branches", ["best", "32"])
def test_no_random_network_lies_outside(layers, branches, synthetic_table):
    space = SpaceSettings(layers=layers, branches=branches)
    for table in (synthetic_table(space), even_table(synthetic_table(space), 0, operators=2)):
        costs, draws = NetworkCosts(space, table), draw_random_branches(space, torch.Generator().manual_seed(layers))
        least, most = reachable_latency(space, table)
        assert all(least <= costs.milliseconds(next(draws)) <= most for _ in range(2000))


def test_both_ends_are_reached_if_widths_and_operators_cost_the_same(synthetic_table):
    """Random networks then differ by their paths and their pruning only, and meet the longest and shortest ones."""
    space = SpaceSettings(layers=8, width_twelfths=(8,), min_length=4)
    table = even_table(synthetic_table(space), 1, operators=1)
    costs, draws = NetworkCosts(space, table), draw_random_branches(space, torch.Generator().manual_seed(0))
    found = [costs.milliseconds(next(draws)) for _ in range(20000)]
    assert reachable_latency(space, table) == pytest.approx((min(found), max(found)), abs=1e-9)


def test_predicted_fps_are_1000_over_the_latency(synthetic_table):
    space = SpaceSettings(layers=5)
    table, genotype = synthetic_table(space), random_genotype(space, torch.Generator().manual_seed(0))
    assert predict_fps(genotype, space, table) == pytest.approx(1000 / genotype_latency(genotype, space, table))


def test_a_window_that_no_network_meets_is_refused(synthetic_table):
    space = SpaceSettings(layers=5)
    table = synthetic_table(space)
    slowest, fastest = sorted(1000 / milliseconds for milliseconds in reachable_latency(space, table))
    for window in ((slowest * 0.5, slowest * 1.01), (fastest * 0.99, fastest * 2), (slowest, fastest)):
        check_window(window, space, table, "search.fps")
    for window in ((slowest * 0.5, slowest * 0.99), (fastest * 1.01, fastest * 2)):
        with pytest.raises(LbtError, match=rf"search\.fps: no architecture .* table\.csv they reach {slowest:.4g} to"):
            check_window(window, space, table, "search.fps")


@pytest.mark.parametrize(
    ("fps", "expected"), [(50, 0.5), (40.001, 0.5), (40, 0.5), (39.999, 1), (30.001, 1), (30, 2), (29.999, 2), (1, 2)]
)
def test_the_weight_halves_above_the_window_and_doubles_below(fps, expected):
    assert steer(1.0, fps, (30.0, 40.0)) == expected
