"""The creator's gradient against autograd through the tester's step, and the learner's against plain autograd."""

from dataclasses import replace

import pytest
import torch
from quick import quick_first
from torch import nn
from unrolled import (
    CLASSES,
    batch,
    context_of,
    gradient_in,
    invented_table,
    optimizer_settings,
    relative,
    stepped,
    supernet_logits,
)

from lbt.config import LptSettings, SearchSettings, StudentSettings
from lbt.runtime.distributed import ALONE
from lbt.search.hypergradient import call_without_side_effects
from lbt.search.methods import load_method
from lbt.search.methods.lpt import networks, tester
from lbt.search.tensor_dicts import norm
from lbt.search.torchvision_network import build_network, fixed_noise
from lbt.training.losses import supernet_loss

CHANNELS = 5


class Encoder(nn.Module):
    """Convolution, BatchNorm and ReLU, with the outputs of a torchvision backbone."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, 2, 1), nn.BatchNorm2d(CHANNELS), nn.ReLU())

    def forward(self, images):
        return {"out": self.body(images)}


class SmallTester(tester.Tester):
    """LPT's tester with a small network, which has dropout in the executor."""

    def build(self, num_classes, seed):
        executor = nn.Sequential(nn.Dropout(0.3), nn.Conv2d(CHANNELS, CLASSES, 3, padding=1))
        return networks.TesterNetwork(Encoder(), executor, two_scales=False).double().train()


@pytest.fixture
def tester_context(tmp_path):
    def build(seed):
        search = SearchSettings(
            teacher=optimizer_settings(1e9),
            student=StudentSettings(optimizer=optimizer_settings(1e9 if seed % 2 else 0.2, lr=0.5)),
            lpt=LptSettings(bank_weight=0.7, tester_weight=3.0),
        )
        context = context_of(seed, search, invented_table(tmp_path))
        partner = SmallTester(search, CLASSES, seed, torch.device("cpu"), ALONE)
        partner.creator.double()
        nn.init.normal_(partner.creator[1].weight)
        partner.begin_round("test", 1.0, None)
        for noise_seed in (10, 20):
            batches = batch(), batch(), batch()
            _, step = partner.train_step(batches, noise_seed)
        return replace(context, partner_step=step), batches[0], partner

    return build


def image_losses(logits, labels):
    return torch.stack(
        [nn.functional.cross_entropy(a[None], b[None], ignore_index=255) for a, b in zip(logits, labels, strict=True)]
    )


def learner_losses(context, architecture):
    images, labels = context.validation
    outputs = supernet_logits(context, architecture, images)
    return torch.stack(
        [supernet_loss([part[i : i + 1] for part in outputs], labels[i : i + 1], ALONE) for i in range(len(labels))]
    )


def share(creator, parameters, features):
    score = torch.sigmoid(call_without_side_effects(creator, parameters, features))[:, 0]
    return score / score.sum()


def unrolled_objective(context, labelled, creator):
    """The creator's objective as a graph over its parameters, through the tester's step."""
    taken, lpt = context.partner_step, context.search.lpt
    (bank, bank_labels), (held_out, truth) = taken.bank, taken.validation

    def run(parameters, images, seed):
        with fixed_noise(seed, images.device):
            return call_without_side_effects(taken.network, parameters, images)

    def loss(parameters):
        logits, features = run(parameters, bank, taken.noise_seed)
        # the features are constants: the tester's weights do not change to get easier tests
        tested = (share(taken.creator, creator, features.detach()) * image_losses(logits, bank_labels)).sum()
        supervised = image_losses(run(parameters, labelled[0], taken.noise_seed + 1)[0], labelled[1])
        counts = (labelled[1] != 255).sum(dim=(1, 2))
        return (supervised * counts).sum() / counts.sum() + lpt.bank_weight * tested

    after = stepped(taken.network, taken.step, loss)
    images, _ = context.validation
    passed = (
        share(taken.creator, creator, run(after, images, 0)[1]) * learner_losses(context, context.architecture).detach()
    ).sum()
    held = run(after, held_out, taken.noise_seed)[0]
    return passed - lpt.tester_weight * nn.functional.cross_entropy(held, truth, ignore_index=255)


@pytest.mark.parametrize("seed", quick_first(4, range(20)))
def test_the_creators_gradient_equals_autograd_through_the_testers_step(seed, tester_context):
    context, labelled, _ = tester_context(seed)
    creator = {name: p.detach().clone().requires_grad_() for name, p in context.partner_step.creator.named_parameters()}
    objective = unrolled_objective(context, labelled, creator)
    expected = gradient_in(creator, objective)
    found = tester.creator_gradient(context)
    assert found.objective == pytest.approx(float(objective.detach()), rel=1e-12)
    assert relative(found.gradient, expected) < 1e-10
    assert norm(found.through_tester) > 1e-6 * norm(expected)


def test_the_learner_weights_images_by_their_scores(tester_context):
    context, _, _ = tester_context(0)
    taken, (images, _) = context.partner_step, context.validation
    with torch.no_grad():
        weights = share(taken.creator, dict(taken.creator.named_parameters()), taken.network.train()(images)[1])
    assert abs(float(weights[0] - weights[1])) > 1e-3
    expected = gradient_in(context.architecture, (weights * learner_losses(context, context.architecture)).sum())
    found = load_method("lpt").architecture_gradient(context)
    assert relative(found.gradient, expected) < 1e-10


def test_a_step_of_the_creator_raises_its_objective(tester_context):
    context, _, partner = tester_context(1)
    before = tester.creator_gradient(context)
    parameters = dict(partner.creator.named_parameters())
    start = {name: p.detach().clone() for name, p in parameters.items()}
    record = partner.after_architecture_step(context, {})
    assert record["creator_objective"] == before.objective and 0.5 <= record["largest_share"] <= 1
    moved = {name: p.detach() - start[name] for name, p in parameters.items()}
    assert sum(float((moved[n] * before.gradient[n]).sum()) for n in moved) > 0


def test_at_first_all_images_have_equal_scores():
    creator = networks.Creator(7)
    torch.testing.assert_close(networks.shares(creator(torch.randn(4, 7)), ALONE), torch.full((4,), 0.25))


@pytest.mark.parametrize("model", ["deeplabv3_mobilenet_v3_large", "lraspp_mobilenet_v3_large"])
def test_the_tester_is_torchvisions_network(model):
    settings, images = StudentSettings(model=model), torch.randn(2, 3, 64, 96)
    partner = tester.Tester(SearchSettings(student=settings), 4, 0, torch.device("cpu"), ALONE)
    logits, features = partner.network.eval()(images)
    torch.testing.assert_close(logits, build_network(settings, 4, 0, ALONE).eval()(images)["out"])
    assert partner.creator(features).shape == (2, 1)
