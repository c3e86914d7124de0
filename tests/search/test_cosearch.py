"""Steps of the guide and of the weights with a guide, against autograd; everything else must not change."""

import math
from types import SimpleNamespace

import pytest
import torch

from lbt.config import ArchitectureSettings, OptimizerSettings, SearchSettings, SpaceSettings
from lbt.runtime.distributed import ALONE
from lbt.search.cosearch import Guide, create_guide, guide_entropies, guide_step
from lbt.search.teacher_step import teacher_step
from lbt.space.architecture import initial_architecture
from lbt.space.supernet import Supernet
from lbt.space.widths import draw_width_passes, max_widths, min_widths
from lbt.training.losses import supernet_loss
from lbt.training.optimizers import GuardedStep, sgd

SPACE = SpaceSettings(layers=4, base_width=2)
SEARCH = SearchSettings(
    teacher=OptimizerSettings(lr=0.1, momentum=0.0, weight_decay=0.0, clip_norm=1.0e6),
    architecture=ArchitectureSettings(clip_norm=1.0e6, weight_decay=0.1),
)


@pytest.fixture
def state():
    torch.manual_seed(0)
    supernet = Supernet(SPACE, 3).double().train()
    architecture, guide = (
        {k: (100 * v).double() for k, v in initial_architecture(SPACE, torch.Generator().manual_seed(s)).items()}
        for s in (0, 1)
    )
    moving = [leaf.requires_grad_() for key, leaf in guide.items() if not key.startswith("gamma")]
    return SimpleNamespace(
        supernet=supernet,
        architecture={key: leaf.requires_grad_() for key, leaf in architecture.items()},
        guide=Guide(
            guide, torch.optim.Adam(moving, lr=0.01, weight_decay=SEARCH.architecture.weight_decay, fused=True)
        ),
        teacher_optimizer=sgd(supernet.parameters(), SEARCH.teacher),
    )


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(2)
    return torch.randn(2, 3, 64, 64, generator=generator).double(), torch.randint(3, (2, 64, 64), generator=generator)


def copy(tensors):
    return {name: value.detach().clone() for name, value in tensors.items()}


def same(tensors, before):
    return {name for name, value in tensors.items() if torch.equal(value, before[name])}


def step_guide(state, batch, guard=None, guide=None):
    clip_norm = SEARCH.architecture.clip_norm
    return guide_step(
        guide or state.guide, state.supernet, batch, SPACE, clip_norm, guard or GuardedStep("guide"), ALONE
    )


def test_a_guide_step_moves_only_alpha_and_beta_of_the_guide(state, batch):
    guide, architecture, module = (
        copy(state.guide.architecture),
        copy(state.architecture),
        copy(state.supernet.state_dict()),
    )
    record = step_guide(state, batch)
    assert same(state.guide.architecture, guide) == {"gamma.8", "gamma.16", "gamma.32"}
    assert same(state.architecture, architecture) == set(architecture)
    assert same(state.supernet.state_dict(), module) == set(module)
    leaves = (*state.supernet.parameters(), *state.architecture.values(), *state.guide.architecture.values())
    assert all(leaf.grad is None for leaf in leaves)
    assert math.isfinite(record["guide_val_loss"])


def test_a_guide_step_takes_the_gradient_of_the_validation_loss_at_the_full_width(state, batch):
    images, labels = batch
    loss = supernet_loss(state.supernet(images, state.guide.architecture, max_widths(SPACE)), labels, ALONE)
    moving = {key: leaf for key, leaf in state.guide.architecture.items() if leaf.requires_grad}
    expected = dict(zip(moving, torch.autograd.grad(loss, list(moving.values())), strict=True))
    guide = Guide(state.guide.architecture, torch.optim.SGD(list(moving.values()), lr=1.0, fused=True))
    before = copy(moving)
    record = step_guide(state, batch, guide=guide)
    for key, leaf in moving.items():
        torch.testing.assert_close(before[key] - leaf.detach(), expected[key])
    assert record["guide_val_loss"] == pytest.approx(float(loss.detach()))
    length = math.sqrt(sum(float(g.square().sum()) for g in expected.values()))
    assert record["guide_gradient_norm"] == pytest.approx(length)


def test_guide_steps_lower_their_loss(state, batch):
    guard = GuardedStep("guide")
    values = [step_guide(state, batch, guard)["guide_val_loss"] for _ in range(8)]
    assert values[-1] < values[0]


def test_a_guide_step_that_is_not_finite_is_skipped(state, batch):
    images, labels = batch
    images[0, 0, 0, 0] = math.nan
    guide, guard = copy(state.guide.architecture), GuardedStep("guide")
    step_guide(state, (images, labels), guard)
    assert same(state.guide.architecture, guide) == set(guide) and guard.skipped == 1


def test_the_weights_descend_the_sum_of_both_architectures_losses(state, batch):
    images, labels = batch
    passes = draw_width_passes(("sampled", "min"), SPACE, torch.Generator().manual_seed(5))
    searched, guide = copy(state.architecture), copy(state.guide.architecture)
    runs = (searched, passes[0](searched)), (searched, min_widths(SPACE)), (guide, max_widths(SPACE))
    losses = [supernet_loss(state.supernet(images, architecture, w), labels, ALONE) for architecture, w in runs]
    parameters = dict(state.supernet.named_parameters())
    expected = torch.autograd.grad(sum(losses), list(parameters.values()), allow_unused=True)
    before = copy(parameters)
    record, _ = teacher_step(state, batch, passes, SPACE, SEARCH, GuardedStep("teacher"), ALONE)
    assert record["teacher_loss"] == pytest.approx(float((losses[0] + losses[1]).detach()) / 2)
    assert record["guide_loss"] == pytest.approx(float(losses[2].detach()))
    for (name, parameter), gradient in zip(parameters.items(), expected, strict=True):
        step = 0 if gradient is None else SEARCH.teacher.lr * gradient
        torch.testing.assert_close(parameter.detach(), before[name] - step, msg=name)


def test_without_a_guide_the_weights_descend_one_loss(state, batch):
    state.guide = None
    passes = draw_width_passes(("sampled",), SPACE, torch.Generator().manual_seed(5))
    record, _ = teacher_step(state, batch, passes, SPACE, SEARCH, GuardedStep("teacher"), ALONE)
    assert set(record) == {"teacher_loss", "teacher_weight_gradient_norm"}


def test_entropies_of_the_guide_exclude_the_width(state):
    assert set(guide_entropies(state.guide)) == {"guide_entropy_alpha", "guide_entropy_beta"}


def test_a_new_guide_optimises_alpha_and_beta_only():
    """With weight decay the optimiser would move a gamma that has no gradient."""
    guide = create_guide(SPACE, SEARCH.architecture, torch.Generator().manual_seed(0))
    moving = {id(leaf) for group in guide.optimizer.param_groups for leaf in group["params"]}
    names = {name for name, leaf in guide.architecture.items() if id(leaf) in moving}
    assert names == {name for name in guide.architecture if not name.startswith("gamma")}
