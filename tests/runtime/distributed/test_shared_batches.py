"""Two processes with a part of the batch each compute the same as one process with all of it, in double precision.

One process runs a function, then two processes run it; each draws the whole batch and takes its own rows. Results in
`rows` belong to the process's own rows, results in `parts` sum to those of one process, those in `common` equal it.
"""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad

from lbt.config import PseudoLabelSettings
from lbt.data.classes import IGNORE
from lbt.runtime.distributed import ALONE, group
from lbt.search.hypergradient import gradient_of
from lbt.search.methods.lbt.pseudo_label_loss import compute_targets_and_weights, weighted_cross_entropy
from lbt.search.methods.lpt.networks import compute_losses_by_image, shares
from lbt.search.seeded_dropout import SeededDropout
from lbt.search.torchvision_network import fixed_noise, labelled_loss
from lbt.space.batch_norm import BatchNorm2d, normalise_batch, synchronise_batch_norms
from lbt.training.losses import distillation_loss, ohem_cross_entropy

EPS = 1e-5
BATCH = 4


@pytest.fixture
def same(pair):
    """Compare the results of a function in one process and in two."""

    def check(function, *arguments):
        whole, found = function(*arguments), pair.run(function, *arguments)
        torch.testing.assert_close(
            {name: torch.cat([each.rows[name] for each in found]) for name in whole.rows}, whole.rows, **TOLERANCE
        )
        torch.testing.assert_close(
            {name: sum(each.parts[name] for each in found) for name in whole.parts}, whole.parts, **TOLERANCE
        )
        for each in found:
            torch.testing.assert_close(each.common, whole.common, **TOLERANCE)
        return whole

    return check


TOLERANCE = {"rtol": 1e-10, "atol": 1e-12}


def results(*, rows=None, parts=None, common=None):
    """Detached copies, which can travel between processes."""
    named = {"rows": rows, "parts": parts, "common": common}
    return SimpleNamespace(**{k: {n: t.detach().clone() for n, t in (v or {}).items()} for k, v in named.items()})


def drawn(seed, *shape):
    """The same numbers for every number of processes."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mine(whole):
    return whole[group().rows(len(whole))].clone()


def channels(*seeds):
    return [drawn(seed, 3).abs() + 0.5 for seed in seeds]


def batch_norm(seed):
    """Value, statistics, and derivatives of first to third order, in reverse mode, forward mode and mixed."""
    x, tangent, cotangent = (mine(drawn(seed + i, BATCH, 3, 2, 3) + i) for i in range(3))
    leaves = [x, *channels(seed + 3, seed + 4)]
    x, weight, _ = leaves = [leaf.requires_grad_() for leaf in leaves]
    directions = [tangent.requires_grad_(), *(c.requires_grad_() for c in channels(seed + 5, seed + 6))]
    y, mean, variance = normalise_batch(*leaves, EPS)
    first = torch.autograd.grad((y.sin() * cotangent).sum(), leaves, create_graph=True)
    # a value that is the same in all processes must count once in a sum over them
    products = [(g * d).sum() for g, d in zip(first, directions, strict=True)]
    double = torch.autograd.grad(sum(products), [x, weight], retain_graph=True)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(leaf, d) for leaf, d in zip(leaves, directions, strict=True)]
        derivative = forward_ad.unpack_dual(normalise_batch(*duals, EPS)[0]).tangent
    inputs = [x, weight, *directions[:2]]  # of the bias only the direction has an effect, and it is added
    mixed = torch.autograd.grad((derivative.sin() * cotangent).sum(), inputs, create_graph=True)
    third = torch.autograd.grad((mixed[0] * cotangent).sum() + (mixed[1] * weight).sum(), inputs)
    rows = {"y": y, "first": first[0], "double": double[0], "derivative": derivative}
    rows |= {"mixed x": mixed[0], "mixed tangent": mixed[2], "third x": third[0], "third tangent": third[2]}
    parts = {"first weight": first[1], "first bias": first[2], "double weight": double[1]}
    parts |= {f"mixed {i}": mixed[i] for i in (1, 3)} | {f"third {i}": third[i] for i in (1, 3)}
    return results(rows=rows, parts=parts, common={"mean": mean, "variance": variance})


def test_batch_norm_and_its_derivatives(same):
    same(batch_norm, 0)


def norms_of_pytorch():
    """A module with PyTorch's BatchNorms after two batches."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.ReLU(), nn.Sequential(nn.BatchNorm2d(3)))
    module = module.double().train()
    if group().size > 1:
        synchronise_batch_norms(module)
        assert all(type(m) is BatchNorm2d for m in module.modules() if isinstance(m, nn.BatchNorm2d))
    for seed in (1, 2):
        y = module(mine(drawn(seed, BATCH, 2, 3, 3)))
    (y.square() * mine(drawn(3, *(BATCH, 3, 3, 3)))).sum().backward()
    return results(
        rows={"y": y},
        parts={name: p.grad for name, p in module.named_parameters()},
        common=dict(module.state_dict()),
    )


@pytest.mark.exhaustive
def test_a_network_of_pytorchs_batch_norms(same):
    same(norms_of_pytorch)


def logits_and_labels(seed):
    """Images of which one has few labels, so the processes hold different numbers of labels."""
    labels = torch.randint(5, (BATCH, 6, 7), generator=torch.Generator().manual_seed(seed))
    labels[drawn(seed + 1, *labels.shape) > 1] = IGNORE
    labels[0, 1:] = IGNORE
    return mine(2 * drawn(seed, BATCH, 5, 6, 7)).requires_grad_(), mine(labels)


LOSSES = {
    "ohem": lambda *batch: ohem_cross_entropy(*batch, group()),
    "ohem, few hard": lambda *batch: ohem_cross_entropy(*batch, group(), 0.01, 0.4),
    "ohem, none valid": lambda logits, labels: ohem_cross_entropy(logits, torch.full_like(labels, IGNORE), group()),
    "labelled": lambda *batch: labelled_loss(*batch, group()),
    "distillation": lambda logits, _: distillation_loss(logits, logits.detach().sin(), group()),
    "pseudo": lambda logits, _: pseudo_loss(logits, PseudoLabelSettings(threshold=0.4)),
    "pseudo, confidence": lambda logits, _: pseudo_loss(logits, PseudoLabelSettings(weighting="confidence")),
}


def pseudo_loss(logits, settings):
    target, weight = compute_targets_and_weights(logits.detach().cos().softmax(1), settings, group())
    return weighted_cross_entropy(logits, target, weight, group())


def loss(name, seed):
    """Value and gradient, and both of the derivative along a direction."""
    logits, labels = logits_and_labels(seed)
    value = LOSSES[name](logits, labels)
    (gradient,) = torch.autograd.grad(value, logits)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(logits, mine(drawn(seed + 2, BATCH, *logits.shape[1:])))
        derivative = forward_ad.unpack_dual(LOSSES[name](dual, labels)).tangent
    rows = {"gradient": gradient}
    if name.startswith("ohem"):  # the loss of a supernet, which the mixed product differentiates so
        (rows["mixed"],) = torch.autograd.grad(derivative, logits)
    return results(rows=rows, common={"value": value, "derivative": derivative})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", LOSSES)
def test_losses(same, name, seed):
    found = same(loss, name, 10 * seed)
    assert (float(found.common["value"]) > 0) == (name != "ohem, none valid")


def image_losses():
    logits, labels = logits_and_labels(0)
    scores = mine(drawn(5, BATCH, 1)).requires_grad_()
    share = shares(scores, group())
    value = group().reduce_loss((share * compute_losses_by_image(logits, labels)).sum())
    in_logits, in_scores = torch.autograd.grad(value, [logits, scores])
    return results(rows={"share": share, "logits": in_logits, "scores": in_scores}, common={"value": value})


def test_losses_by_image_and_their_shares(same):
    found = same(image_losses)
    assert float(found.rows["share"].sum()) == pytest.approx(1)


def dropout():
    torch.manual_seed(0)
    with fixed_noise(1, torch.device("cpu")):
        dropped = SeededDropout(0.4, group())(mine(drawn(0, BATCH, 3, 4, 5)))
    return results(rows={"dropped": dropped}, common={"next": torch.rand(3)})


def test_dropout_draws_the_mask_of_the_whole_batch(same):
    same(dropout)


def gradients():
    weight = drawn(0, 3).requires_grad_()
    value = group().reduce_loss((mine(drawn(1, BATCH, 3)) @ weight).sin().sum())
    found = gradient_of(value, {"weight": weight, "unused": drawn(2, 2).requires_grad_()}, group())
    return results(common=found)


def test_gradients_of_leaves_are_those_of_the_whole_batch(same):
    found = same(gradients)
    assert found.common["weight"].abs().min() > 0 and not found.common["unused"].any()


def decisions():
    here = group()
    first = here.any(here.rank == here.size - 1), here.any(False)
    order = here.all_gather(torch.full((1,), float(here.rank)))
    return first, order.tolist(), here.first


def test_all_processes_take_the_same_decision(pair):
    assert decisions() == ((True, False), [0.0], True)
    assert pair.run(decisions) == [((True, False), [0.0, 1.0], True), ((True, False), [0.0, 1.0], False)]


def uneven():
    try:
        group().rows(3)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def test_a_batch_that_cannot_be_divided_is_refused(pair):
    assert uneven() is None and ALONE.rows(3) == slice(0, 3)
    for message in pair.run(uneven):
        assert message.startswith("LbtError: A batch of 3 images cannot be divided evenly among 2 processes.")
