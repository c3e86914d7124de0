"""Damages differ from the original and depend on the seed alone."""

import random

from mutations import damage, mutate


def test_mutations_change_a_value_and_depend_on_the_seed_alone():
    value = {"a": [1, 2.5, "x"], "b": {"c": None}}
    made = [mutate(value, random.Random(seed))[1] for seed in range(200)]
    assert made == [mutate(value, random.Random(seed))[1] for seed in range(200)]
    assert len(set(made)) > 100
    content = bytes(range(256)) * 20
    assert sum(damage(content, random.Random(seed))[0] != content for seed in range(100)) == 100
