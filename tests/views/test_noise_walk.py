"""The walk on noise against one written with plain numbers, and against its closed form where Adam has one."""

import math
import random
import statistics

import pytest
import torch

from lbt.config import ArchitectureSettings, SpaceSettings
from lbt.space.architecture import architecture_shapes, entropies, initial_architecture
from lbt.views.noise_walk import distances, walk

SPACE = SpaceSettings(layers=5, base_width=2, width_twelfths=(6, 9, 12))
START = initial_architecture(SPACE, torch.Generator().manual_seed(0))


def walk_of(lengths, start=START, seed=1, **settings):
    return walk(start, lengths, ArchitectureSettings(**settings), torch.Generator().manual_seed(seed))


def plain_noise(start, length, draws):
    """A gradient as a dict of lists: white noise without the mean of each row, of the given length."""
    noise = {key: [[draws.gauss(0, 1) for _ in row] for row in rows] for key, rows in start.items()}
    noise = {key: [[value - statistics.fmean(row) for value in row] for row in rows] for key, rows in noise.items()}
    norm = math.sqrt(sum(value**2 for rows in noise.values() for row in rows for value in row))
    return {key: [[length * value / norm for value in row] for row in rows] for key, rows in noise.items()}


def plain_walk(start, lengths, settings, draws):
    """One architecture as a dict of lists, by the equations of Adam (Kingma and Ba, ICLR 2015, algorithm 1)."""
    logits = {key: [list(row) for row in rows.tolist()] for key, rows in start.items()}
    first = {key: [[0.0] * len(row) for row in rows] for key, rows in logits.items()}
    second = {key: [[0.0] * len(row) for row in rows] for key, rows in logits.items()}
    count = settings.accumulate
    for step in range(1, len(lengths) // count + 1):
        group = [plain_noise(logits, length, draws) for length in lengths[(step - 1) * count : step * count]]
        noise = {
            key: [
                [statistics.fmean(g[key][r][c] for g in group) for c in range(len(row))] for r, row in enumerate(rows)
            ]
            for key, rows in logits.items()
        }
        norm = math.sqrt(sum(value**2 for rows in noise.values() for row in rows for value in row))
        for key, rows in logits.items():
            for r, row in enumerate(rows):
                for c in range(len(row)):
                    gradient = noise[key][r][c] * min(1, settings.clip_norm / norm)
                    gradient += settings.weight_decay * row[c]
                    first[key][r][c] += (1 - settings.beta1) * (gradient - first[key][r][c])
                    second[key][r][c] += (1 - settings.beta2) * (gradient**2 - second[key][r][c])
                    mean = first[key][r][c] / (1 - settings.beta1**step)
                    square = second[key][r][c] / (1 - settings.beta2**step)
                    row[c] -= settings.lr * mean / (math.sqrt(square) + 1e-8)
    return {key: torch.tensor(rows) for key, rows in logits.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.02},
        {"lr": 0.1, "beta1": 0.9, "beta2": 0.9, "weight_decay": 0.05},  # the decay is as long as the noise
        {"lr": 0.02, "clip_norm": 0.2},
        {"lr": 0.1, "beta1": 0.9, "beta2": 0.9, "weight_decay": 0.05, "accumulate": 4},
    ],
)
def test_distances_and_entropies_are_those_of_a_plain_loop(settings):
    """Gradients that shrink matter to Adam, whose memory of squares is long; clipping takes that away."""
    count = settings.get("accumulate", 1)
    lengths = [4.0 * 0.8 ** (step / count) for step in range(25 * count)]
    ends, draws = walk_of(lengths, **settings), random.Random(0)
    plain = [plain_walk(START, lengths, ArchitectureSettings(**settings), draws) for _ in range(120)]
    together = {key: torch.cat([end[key] for end in plain]) for key in START}
    assert distances(START, ends) == pytest.approx(distances(START, together), rel=0.1)
    certain, wanted = ({kind: 1 - value for kind, value in entropies(end).items()} for end in (ends, together))
    assert certain == pytest.approx(wanted, rel=0.2)  # it grows with the square of the distance


def test_clipping_and_weight_decay_matter_in_that_test():
    lengths = [4.0 * 0.8**step for step in range(25)]
    free, clipped = (distances(START, walk_of(lengths, lr=0.02, clip_norm=clip)) for clip in (10.0, 0.2))
    assert clipped["alpha"] > 1.3 * free["alpha"]
    decays = {"lr": 0.1, "beta1": 0.9, "beta2": 0.9}
    free, decayed = (distances(START, walk_of(lengths, **decays, weight_decay=decay)) for decay in (0.0, 0.05))
    assert decayed["alpha"] < 0.8 * free["alpha"]


def test_the_first_step_moves_each_of_two_logits_by_the_learning_rate():
    """Adam's first step is the learning rate times the sign; two opposite gradients keep their mean."""
    ends = walk_of([0.3], lr=0.02)
    assert distances(START, ends)["beta"] == pytest.approx(0.02, rel=1e-5)


def test_noise_of_120_steps_leaves_the_known_entropies():
    """Adam(0.02, 0.5, 0.999): the figures of a simulation of 20,000 independent rows."""
    found = entropies(walk_of([0.3] * 120, lr=0.02))
    assert found["alpha"] == pytest.approx(0.9854, abs=0.0006)
    assert found["beta"] == pytest.approx(0.9670, abs=0.003)


def test_rows_keep_their_mean_and_copies_their_order():
    ends, shapes = walk_of([0.3] * 5, lr=0.02), architecture_shapes(SPACE)
    assert list(ends) == list(START)
    for key, (rows, columns) in shapes.items():
        assert ends[key].shape[1] == columns and ends[key].shape[0] % rows == 0
    # Two logits always take opposite steps, so each row keeps the mean of its own start.
    means = ends["beta.16"].reshape(-1, *shapes["beta.16"]).mean(-1)
    assert torch.allclose(means, START["beta.16"].mean(-1).expand_as(means), atol=1e-6)


def test_a_group_of_steps_that_is_not_full_moves_nothing():
    assert distances(START, walk_of([0.3] * 4, lr=0.02, accumulate=5))["alpha"] == 0
    whole, rest = (distances(START, walk_of([0.3] * count, lr=0.02, accumulate=5)) for count in (10, 14))
    assert whole == rest and whole["beta"] > 0


def test_no_step_and_no_choice_move_nothing():
    assert set(distances(START, walk_of([])).values()) == {0.0}
    single = initial_architecture(SPACE.model_copy(update={"width_twelfths": (12,)}), torch.Generator().manual_seed(0))
    found = distances(single, walk_of([0.3] * 4, single))
    assert found["gamma"] == 0 < found["alpha"]


def test_the_mean_of_a_row_is_no_movement():
    shifted = {key: rows + torch.arange(len(rows)).unsqueeze(1) for key, rows in START.items()}
    assert max(distances(START, shifted).values()) < 1e-6
    moved = {key: rows + (torch.tensor([1.0, -1.0]) if rows.shape[1] == 2 else 0) for key, rows in START.items()}
    assert distances(START, moved) == pytest.approx({"alpha": 0, "beta": 1, "gamma": 0}, abs=1e-6)


def test_the_same_seed_gives_the_same_walk():
    first, again, other = (walk_of([0.3] * 7, seed=seed)["alpha.8"] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
