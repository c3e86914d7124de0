"""The latency's term, and how it joins the other terms of an architecture's gradient."""

from dataclasses import replace

import pytest
import torch
from unrolled import SPACE, context_of, gradient_in, invented_table, optimizer_settings, relative

from lbt.config import SearchSettings
from lbt.latency.expected import expected_latency
from lbt.search.gradient_terms import add_latency, latency_term, teacher_term
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
