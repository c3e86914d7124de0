"""Settings that another setting switches off: each mark refuses its key, and only then."""

from functools import reduce
from itertools import product
from operator import attrgetter

import pytest

from lbt.config import Section, Settings
from lbt.config.base import ReadWith, section_in
from lbt.config.read import parse_settings
from lbt.config.unread import find_unread, select_read
from lbt.errors import LbtError

CLASSES = [{"name": "a", "id": 0, "color": [1, 1, 1]}, {"name": "b", "id": 1, "color": [9, 9, 9]}]
FOLDER = {"data.layout": "folder", "data.folder.classes": CLASSES}
NOT_SPLIT = {"data.folder.images": "a/*", "data.folder.masks": "b/*"}
OFF_AND_ON = {
    "data.classes": (34, FOLDER, {}),
    "data.unlabeled": ("train_extra", FOLDER, {}),
    "data.folder.splits": ({"train": "a", "val": "b", "unlabeled": "c"}, FOLDER | NOT_SPLIT, FOLDER),
    "data.folder.val_share": (0.3, FOLDER, FOLDER | NOT_SPLIT),
    "data.folder.unlabeled_share": (0.3, FOLDER, FOLDER | NOT_SPLIT),
    "data.folder.ignore": ([7], FOLDER | {"data.folder.mask_values": "color"}, FOLDER),
    "data.folder.ignore_colors": ([[7, 7, 7]], FOLDER, FOLDER | {"data.folder.mask_values": "color"}),
    "splits.train_fraction": (0.4, {"splits.scheme": "disjoint"}, {}),
    "splits.parts": ([0.1, 0.2, 0.3, 0.4], {}, {"splits.scheme": "disjoint"}),
    "search.latency_balance": ([1, 2, 3], {"search.latency_weight": 0}, {}),
    "search.width_temperature": (0.5, {"search.width_passes": ["max", "min"]}, {}),
    "search.width_temperature_decay": (0.5, {"search.width_passes": ["max", "min"]}, {}),
    "search.width_temperature_least": (0.2, {}, {"search.width_temperature_decay": 0.9}),
    "search.pseudo_labels": ({"threshold": 0.5}, {"search.pseudo_weight": 0}, {}),
    "search.student_term": ("raw", {"search.student_weight": 0}, {}),
    "search.student_memory": (0.5, {"search.student_weight": 0}, {}),
    "search.label_steps": (2, {"search.student_weight": 0}, {}),
    "search.norm_memory": (0.5, {"search.student_term": "raw"}, {}),
    "search.second_order_limit": (2, {"search.gradient": "direct"}, {"search.gradient": "published"}),
    "search.random_tolerance": (0.2, {"search.random_match": "none"}, {"search.random_match": "fasterseg"}),
    "derivation.fps": ([1, 2], {}, {"derivation.rule": "search"}),
    "compute.deterministic": (True, {"compute.device": "cpu"}, {}),
    "compute.cache_gb": (2.0, {"compute.cache": "none"}, {}),
    "derivation.paths": (3, {"derivation.rule": "released"}, {"derivation.rule": "search"}),
    "derivation.images": (3, {}, {"derivation.operators": "removal"}),
    "retrain.enet_offset": (1.1, {"retrain.loss": "ohem"}, {}),
    "retrain.optimizer.momentum": (0.5, {}, {"retrain.optimizer.name": "sgd"}),
    "retrain.optimizer.beta1": (0.5, {"retrain.optimizer.name": "sgd"}, {"retrain.optimizer.name": "adamw"}),
    "retrain.optimizer.beta2": (0.5, {"retrain.recipe": "released"}, {}),
    "retrain.auxiliary_size": ("image", {"retrain.auxiliary_weight": 0}, {}),
    "retrain.distillation_weight": (2, {}, {"search.cosearch": True}),
}
"""A value of each marked key, other settings that switch it off, and others with which it is read."""


def nested(values):
    """A dictionary of sections from one of dotted keys."""
    content = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        reduce(lambda section, part: section.setdefault(part, {}), sections, content)[name] = value
    return content


def marked(model: type[Section] = Settings, prefix: str = ""):
    for name, field in model.model_fields.items():
        inner = section_in(field.annotation)
        if any(isinstance(mark, ReadWith) for mark in field.metadata):
            yield f"{prefix}{name}"
        elif inner is not None:
            yield from marked(inner, f"{prefix}{name}.")


def test_every_marked_key_is_tried():
    assert set(marked()) == OFF_AND_ON.keys()


def test_every_mark_names_a_setting():
    for key in marked():
        model = Settings
        for part in key.split(".")[:-1]:
            model = section_in(model.model_fields[part].annotation)
        for mark in model.model_fields[key.rpartition(".")[2]].metadata:
            if isinstance(mark, ReadWith):
                attrgetter(mark.key)(parse_settings(nested(FOLDER), "x") if "folder" in mark.key else Settings())


@pytest.mark.parametrize("key", OFF_AND_ON)
def test_a_key_that_another_one_switches_off_is_refused(key):
    value, off, on = OFF_AND_ON[key]
    parse_settings(nested(off), "my.yaml")
    with pytest.raises(LbtError) as error:
        parse_settings(nested(off | {key: value}), "my.yaml")
    assert f"{key}: has no effect with `" in str(error.value) and "remove it or write `" in str(error.value)
    assert str(error.value).startswith("my.yaml: 1 problem in the settings:")
    parse_settings(nested(on | {key: value}), "my.yaml")


@pytest.mark.parametrize("key", OFF_AND_ON)
def test_also_one_that_repeats_its_default_is_refused(key):
    """Whoever writes it believes that it has an effect."""
    _, off, on = OFF_AND_ON[key]
    default = attrgetter(key)(parse_settings(nested(on), "my.yaml"))
    if default is None:  # absent
        return
    value = default.model_dump() if isinstance(default, Section) else default
    value = [list(item) if isinstance(item, tuple) else item for item in value] if isinstance(value, tuple) else value
    with pytest.raises(LbtError, match="has no effect"):
        parse_settings(nested(off | {key: value}), "my.yaml")


def test_absent_keys_and_those_of_methods_that_do_not_run_stay():
    parse_settings({"derivation": {"fps": None, "paths": None}}, "my.yaml")
    search = {"second_order_limit": 2.0, "student_weight": 0, "student_term": "raw", "random_match": "none"}
    parse_settings({"methods": ["fasterseg"], "search": search | {"random_tolerance": 0.3}}, "my.yaml")
    with pytest.raises(LbtError, match="1 problem"):
        parse_settings({"methods": ["fasterseg", "random"], "search": search | {"random_tolerance": 0.3}}, "my.yaml")


@pytest.mark.parametrize(
    ("layout", "splits", "search"),
    list(
        product(
            [{}, FOLDER, FOLDER | NOT_SPLIT, FOLDER | {"data.folder.mask_values": "color"}],
            [{}, {"splits.scheme": "disjoint"}],
            [{}, {"search.cosearch": True, "search.gradient": "one_step", "derivation.rule": "search"}],
        )
    ),
)
def test_the_settings_that_are_read_are_complete(layout, splits, search):
    settings = parse_settings(nested(layout | splits | search), "my.yaml")
    again = parse_settings(select_read(settings), "again")
    assert again == settings and not find_unread(again)
