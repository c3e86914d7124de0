from dataclasses import replace
from itertools import product

import pytest
import torch

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.latency.expected import expected_latency, genotype_latency
from lbt.latency.parts import cell_part
from lbt.network.derivation_rule import build_branch, candidate_paths, derive_genotype
from lbt.network.genotype import Genotype, cell_channels
from lbt.space.architecture import OPERATORS, SCALES, alpha_row, architecture_shapes, beta_row, gamma_row
from lbt.space.widths import draw_gumbel_noise, draw_random_widths, sample_widths

ENDS = [(8,), (16,), (32,), (32, 16), (32, 8)]


def small_space(layers=5, **changes):
    return SpaceSettings(layers=layers, base_width=6, width_twelfths=(4, 8, 12), **changes)


def logits(space, seed):
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(shape, generator=generator, dtype=torch.float64)
        for key, shape in architecture_shapes(space).items()
    }


def one_hot(architecture, indices):
    """Logits that leave one choice per row."""
    decided = {}
    for key, value in architecture.items():
        decided[key] = torch.full_like(value, -torch.inf)
        decided[key][torch.arange(len(value)), torch.tensor(indices[key])] = 0.0
    return decided


def decide(space, seed, *, skips=False):
    """A random choice per row; no skips unless asked for."""
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randint(
            1 if key.startswith("alpha") and not skips else 0, columns, (rows,), generator=generator
        ).tolist()
        for key, (rows, columns) in architecture_shapes(space).items()
    }


def walked_downs(indices, layers, end):
    """Layers whose cell has stride 2 on the path that decided betas lead along, walking backward from the end."""
    downs, scale = [], end
    for layer in range(layers - 1, 0, -1):
        row = beta_row(layer, scale)
        if scale > 8 and (row < 0 or indices[f"beta.{scale}"][row] == 0):
            downs.append(layer - 1)
            scale //= 2
    return sorted(downs)


def walked_genotype(architecture, indices, space, ends):
    return Genotype(tuple(build_branch(architecture, space, walked_downs(indices, space.layers, end)) for end in ends))


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("seed", range(8))
def test_a_decided_architecture_has_the_latency_of_its_network(ends, seed, synthetic_table):
    space = small_space(7)
    table, indices = synthetic_table(space), decide(space, seed)
    architecture = one_hot(logits(space, 0), indices)
    network = walked_genotype(architecture, indices, space, ends)
    expected = genotype_latency(network, space, table)
    assert float(expected_latency(architecture, space, table, branch_scales=ends)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("layers", [4, 5, 7, 8, 10])
@pytest.mark.parametrize("ends", ENDS)
def test_a_decided_architecture_has_the_latency_of_its_derivation(ends, layers, synthetic_table):
    """Every path of every branch, betas that leave no other path to the walk or to the derivation, and no skip."""
    space = small_space(layers)
    table, paths = synthetic_table(space), [candidate_paths(layers, end) for end in ends]
    checked = set()
    for seed, downs in enumerate(product(*paths)):
        # Branches read the same rows, so two branches go down to 1/16 at one layer.
        if len({path[0] for path in downs if path}) > 1:
            continue
        indices = decide(space, seed)
        for place, scale in enumerate((16, 32)):
            rows = [1] * len(indices[f"beta.{scale}"])
            for path in downs:
                if len(path) > place and beta_row(path[place] + 1, scale) >= 0:
                    rows[beta_row(path[place] + 1, scale)] = 0
            indices[f"beta.{scale}"] = rows
        architecture = one_hot(logits(space, 0), indices)
        derived = derive_genotype(architecture, space, ends)
        assert [tuple(c.layer for c in b.cells if c.stride == 2) for b in derived.branches] == list(downs)
        expected = genotype_latency(derived, space, table)
        assert float(expected_latency(architecture, space, table, branch_scales=ends)) == pytest.approx(
            expected, rel=1e-9
        )
        checked.add(downs[0])
    assert checked == {path for path in paths[0] if ends != (32, 16) or path[:1] in paths[1]}


def test_pruned_skip_costs_nothing(synthetic_table):
    space = small_space(7, min_length=1)
    table, indices = synthetic_table(space), decide(space, 0)
    indices["alpha.8"][3] = 0
    indices["gamma.8"][gamma_row(3, 8)] = indices["gamma.8"][gamma_row(4, 8)] = 1
    architecture = one_hot(logits(space, 0), indices)
    network = walked_genotype(architecture, indices, space, (8,))
    assert len(network.branches[0].cells) == 6
    expected = genotype_latency(network, space, table)
    assert float(expected_latency(architecture, space, table, branch_scales=(8,))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scale", [8, 16])
def test_a_skip_of_stride_2_costs_its_measured_time(scale, synthetic_table):
    """Derivation replaces the skip by a convolution, so the two latencies differ by exactly these two parts."""
    space = small_space(5)
    table, indices = synthetic_table(space), decide(space, 0)
    indices["beta.16"], indices["beta.32"] = [1, 1, 1], [0, 1]  # down at layers 0 (to 1/16) and 2 (to 1/32)
    layer = {8: 0, 16: 2}[scale]
    indices[f"alpha.{scale}"][alpha_row(layer, scale)] = OPERATORS.index("skip")
    architecture = one_hot(logits(space, 0), indices)
    (branch,) = walked_genotype(architecture, indices, space, (32,)).branches
    cell = branch.cells[layer]
    assert (cell.layer, cell.scale, cell.stride) == (layer, scale, 2)
    replaced, skip = (
        table.lookup(cell_part(name, 2, scale, *cell_channels(branch, space)[layer]))
        for name in (cell.operator, "skip")
    )
    expected = genotype_latency(Genotype((branch,)), space, table) - replaced + skip
    assert float(expected_latency(architecture, space, table, branch_scales=(32,))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("ends", ENDS)
def test_expectation_equals_an_enumeration_of_networks(ends, synthetic_table):
    """All combinations of two choices in some rows, each combination as a network of its own."""
    space = small_space(5)
    table, base = synthetic_table(space), decide(space, 1)
    free = {("alpha.8", 1), ("alpha.8", 3), ("alpha.16", 2), ("gamma.8", 1), ("gamma.16", 2), ("gamma.32", 1)}
    free |= {(key, row) for key in ("beta.16", "beta.32") for row in range(architecture_shapes(space)[key][0])}
    free = sorted(free)
    generator = torch.Generator().manual_seed(5)
    chance = torch.rand(len(free), generator=generator, dtype=torch.float64)
    pairs = [(1, 4) if key.startswith("alpha") else (0, 2) if key.startswith("gamma") else (0, 1) for key, _ in free]

    mixed = one_hot(logits(space, 0), base)
    for (key, row), pair, p in zip(free, pairs, chance, strict=True):
        mixed[key][row] = -torch.inf
        mixed[key][row, pair[0]], mixed[key][row, pair[1]] = p.log(), (1 - p).log()

    total = 0.0
    for choice in product((0, 1), repeat=len(free)):
        indices = {key: list(rows) for key, rows in base.items()}
        weight = 1.0
        for (key, row), pair, p, side in zip(free, pairs, chance.tolist(), choice, strict=True):
            indices[key][row] = pair[side]
            weight *= p if side == 0 else 1 - p
        decided = one_hot(mixed, indices)
        total += weight * genotype_latency(walked_genotype(decided, indices, space, ends), space, table)
    assert float(expected_latency(mixed, space, table, branch_scales=ends)) == pytest.approx(total, abs=1e-9)


def test_gradient_reaches_every_logit_and_equals_a_finite_difference(synthetic_table):
    space = small_space(5)
    table, architecture = synthetic_table(space), logits(space, 2)
    keys = list(architecture)
    leaves = tuple(architecture[key].requires_grad_() for key in keys)

    def latency(*values):
        return expected_latency(dict(zip(keys, values, strict=True)), space, table)

    assert torch.autograd.gradcheck(latency, leaves)
    gradients = dict(zip(keys, torch.autograd.grad(latency(*leaves), leaves), strict=True))
    # The default branches end at 1/32 and 1/16, so no path enters the last layer at 1/8.
    unused = {("alpha.8", 4), ("gamma.8", gamma_row(4, 8))}
    for key, gradient in gradients.items():
        for row in range(len(gradient)):
            assert bool(gradient[row].abs().max() > 0) == ((key, row) not in unused), (key, row)


def test_sampled_widths_replace_gamma_and_carry_its_gradient(synthetic_table):
    space = small_space(6)
    table, architecture = synthetic_table(space), logits(space, 3)
    for scale in SCALES:
        architecture[f"gamma.{scale}"].requires_grad_()
    widths = sample_widths(architecture, space, draw_gumbel_noise(space, torch.Generator().manual_seed(0)))
    fixed = {key: value.detach() for key, value in architecture.items()}
    for key, rows in widths.indices.items():
        fixed[key] = torch.full_like(fixed[key], -torch.inf)
        fixed[key][torch.arange(len(rows)), torch.tensor(rows)] = 0.0
    latency = expected_latency(architecture, space, table, widths=widths)
    assert float(latency.detach()) == pytest.approx(float(expected_latency(fixed, space, table)), abs=1e-9)
    latency.backward()
    assert all(architecture[f"gamma.{scale}"].grad.abs().max() > 0 for scale in SCALES)


def test_random_widths_leave_gamma_without_gradient(synthetic_table):
    space = small_space(5)
    architecture = {key: value.requires_grad_() for key, value in logits(space, 3).items()}
    widths = draw_random_widths(space, torch.Generator().manual_seed(0))
    expected_latency(architecture, space, synthetic_table(space), widths=widths).backward()
    assert architecture["gamma.8"].grad is None
    assert architecture["beta.16"].grad.abs().max() > 0


def test_float32_follows_the_architecture(synthetic_table):
    space = small_space(5)
    architecture = {key: value.float() for key, value in logits(space, 0).items()}
    latency = expected_latency(architecture, space, synthetic_table(space))
    assert latency.dtype == torch.float32 and latency.shape == ()


def test_a_missing_row_is_named(synthetic_table):
    space = small_space(5)
    table = synthetic_table(space)
    part = next(part for part in table.milliseconds if part.operator == "zoom_2x" and part.stride == 2)
    broken = replace(table, milliseconds={k: v for k, v in table.milliseconds.items() if k != part})
    with pytest.raises(LbtError, match=r"table\.csv: has no row for .*zoom_2x"):
        expected_latency(logits(space, 0), space, broken)


def test_table_of_another_space_is_refused(synthetic_table):
    wide = SpaceSettings(layers=5, base_width=12)
    with pytest.raises(LbtError, match="another search space"):
        expected_latency(logits(wide, 0), wide, synthetic_table(small_space(5)))
