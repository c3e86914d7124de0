"""The latency's term, and how it joins the other terms of an architecture's gradient."""

import math
from dataclasses import replace

import pytest
import torch
from unrolled import SPACE, context_of, gradient_in, invented_table, optimizer_settings, relative

from lbt.config import SearchSettings
from lbt.latency.expected import expected_latency
from lbt.search.gradient_terms import add_entropy, add_latency, entropy_term, latency_term, teacher_term
from lbt.search.tensor_dicts import norm

BALANCE = {"alpha": 0.5, "beta": 2.0, "gamma": 3.0}


@pytest.fixture
def context(tmp_path):
    """A step with uneven latencies, so that no part of their gradient is 0."""
    search = SearchSettings(teacher=optimizer_settings(1e9), latency_balance=tuple(BALANCE.values()))
    table = invented_table(tmp_path)
    uneven = {part: 0.1 + 0.03 * number for number, part in enumerate(table.milliseconds)}
    return replace(context_of(0, search, replace(table, milliseconds=uneven)), latency_weight=0.25)


def latency_gradient(context):
    return gradient_in(context.architecture, expected_latency(context.architecture, SPACE, context.table))


def test_each_kind_of_logits_has_its_own_factor_on_the_latency(context):
    plain, term = latency_gradient(context), latency_term(context)
    assert set(BALANCE) == {name.split(".")[0] for name in plain}
    for name, gradient in plain.items():
        assert norm({name: gradient}) > 0, name
        torch.testing.assert_close(term.gradient[name], BALANCE[name.split(".")[0]] * gradient)
    assert term.value == pytest.approx(float(expected_latency(context.architecture, SPACE, context.table).detach()))


def test_the_latency_is_added_with_its_weight(context):
    teacher = teacher_term(context)
    found, latency = add_latency(context, teacher, teacher.gradient), latency_term(context)
    expected = {name: value + 0.25 * latency.gradient[name] for name, value in teacher.gradient.items()}
    assert relative(found.gradient, expected) < 1e-12
    assert found.record["latency_ms"] == latency.value and found.record["teacher_val_loss"] == teacher.value
    assert found.record["latency_gradient_norm"] == pytest.approx(norm(latency.gradient))


def relative_entropy(architecture):
    """The mean over all rows, by autograd's own functions."""
    rows = [row for logits in architecture.values() for row in logits if len(row) > 1]
    return torch.stack([-(row.softmax(0) * row.log_softmax(0)).sum() / math.log(len(row)) for row in rows]).mean()


def test_the_gradient_of_the_entropy_is_that_of_autograd(context):
    """Logits of standard deviation 2, so that some choices are nearly certain."""
    source = torch.Generator().manual_seed(3)
    spread = {
        name: (2 * torch.randn(leaf.shape, generator=source, dtype=torch.float64)).requires_grad_()
        for name, leaf in context.architecture.items()
    }
    for architecture in (context.architecture, spread):
        term, value = entropy_term(replace(context, architecture=architecture)), relative_entropy(architecture)
        assert term.value == pytest.approx(float(value.detach()), rel=1e-12)
        assert relative(term.gradient, gradient_in(architecture, value)) < 1e-12
    assert min(norm({name: g}) for name, g in term.gradient.items()) > 0


def test_an_excluded_choice_and_a_single_one_have_no_entropy(context):
    architecture = {name: leaf.detach().clone() for name, leaf in context.architecture.items()}
    architecture["alpha.8"][:, 2:] = -math.inf  # two operators remain
    architecture["alpha.8"][:, :2] = 0
    architecture |= {name: leaf[:, :1] for name, leaf in architecture.items() if name.startswith("gamma")}
    term = entropy_term(replace(context, architecture=architecture))
    assert all(torch.isfinite(gradient).all() for gradient in term.gradient.values())
    assert norm({name: g for name, g in term.gradient.items() if name.startswith("gamma") or name == "alpha.8"}) == 0
    others = {name: leaf for name, leaf in architecture.items() if name[:5] != "gamma" and name != "alpha.8"}
    rows, excluded = sum(map(len, others.values())), len(architecture["alpha.8"])
    expected = float(relative_entropy(others)) * rows + excluded * math.log(2) / math.log(5)
    assert term.value == pytest.approx(expected / (rows + excluded), rel=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_entropy_is_added_with_its_weight(context, weight):
    context = replace(context, search=context.search.model_copy(update={"entropy_weight": weight}))
    teacher = teacher_term(context)
    before, entropy = add_latency(context, teacher, teacher.gradient), entropy_term(context)
    found = add_entropy(context, before)
    expected = {name: value + weight * entropy.gradient[name] for name, value in before.gradient.items()}
    assert relative(found.gradient, expected) <= (1e-12 if weight else 0.0)
    assert found.record == before.record | {"entropy_gradient_norm": norm(entropy.gradient)}
