"""The JSON schema of the settings: it is fresh, takes every good file and refuses what the settings refuse."""

import json
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from lbt.config import Section, Settings
from lbt.config.base import section_in
from lbt.config.read import parse_settings
from lbt.config.schema import FILE, MARK, make_schema, point_to_schema
from lbt.errors import LbtError

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "config").glob("*.yaml"))
VALIDATOR = Draft202012Validator(json.loads((ROOT / FILE).read_text()))
CLASSES = [{"name": "a", "id": 0, "color": [0, 0, 0]}, {"name": "b", "id": 1, "color": [9, 9, 9]}]
WRONG = [
    {"serach": {}},
    {"search": {"round": 3}},
    {"search": {"rounds": 2.5}},
    {"search": {"rounds": 0}},
    {"search": {"fps": [30.0]}},
    {"search": {"fps": [30.0, 40.0, 50.0]}},
    {"search": {"random_match": 3}},
    {"seeds": 3},
    {"seeds": []},
    {"methods": ["lbt", "darts"]},
    {"compute": {"device": "gpu"}},
    {"data": {"classes": 20}},
    {"data": {"layout": "folder", "folder": {"classes": [{"name": "a", "id": "x", "color": [0, 0, 0]}]}}},
    {"data": {"mean": [0.5, 0.5]}},
    {"data": {"std": [0.2, 0.2, 1.5]}},
    {"space": {"branches": 2}},
    {"retrain": {"optimizer": {"name": "lamb"}}},
]
GOOD = [
    {},
    {"methods": ["lbt"], "search": {"fps": [30, 40.5], "random_match": "none"}},
    {"data": {"layout": "folder", "folder": {"classes": CLASSES, "images": "photos/{split}/*.jpg"}}},
    {"data": {"classes": ["road", "car"]}, "scenes": None},
    {"retrain": {"recipe": "released", "epochs": 3}},
]


def problems(content):
    return [error.message for error in VALIDATOR.iter_errors(content)]


def test_it_is_fresh():
    assert json.loads((ROOT / FILE).read_text()) == make_schema(), f"python -m lbt.config.schema > {FILE}"
    Draft202012Validator.check_schema(make_schema())


@pytest.mark.parametrize("file", [*SHIPPED, ROOT / "tests/workflow/tiny.yaml"], ids=lambda file: file.name)
def test_shipped_files_are_valid_and_name_it(file):
    text = file.read_text()
    assert problems(yaml.safe_load(text)) == []
    if file in SHIPPED:
        assert text.splitlines()[0] == f"# {point_to_schema(file)}" == f"# {MARK}schema.json"


@pytest.mark.parametrize("content", GOOD, ids=str)
def test_what_the_settings_take_is_valid(content):
    parse_settings(content, "good")
    assert problems(content) == []


@pytest.mark.parametrize("content", WRONG, ids=str)
def test_what_is_wrong_alone_is_invalid(content):
    with pytest.raises(LbtError):
        parse_settings(content, "wrong")
    assert problems(content)


def properties(schema, model, prefix=""):
    """Each dotted key of a model, with its part of the schema."""
    for name, field in model.model_fields.items():
        part = schema["properties"][name]
        yield f"{prefix}{name}", part, field
        inner = section_in(field.annotation)
        if inner is not None:
            yield from properties(VALIDATOR.schema["$defs"][inner.__name__], inner, f"{prefix}{name}.")


def test_every_key_has_its_help_and_its_default():
    found = list(properties(VALIDATOR.schema, Settings))
    assert len(found) > 100
    for key, part, field in found:
        assert part["description"] == field.description, key
        if not field.is_required() and field.default is not None and not isinstance(field.default, Section):
            assert part["default"] == json.loads(json.dumps(field.default)), key
        else:
            assert "default" not in part, key


def test_the_comment_leads_to_it(tmp_path):
    assert point_to_schema(ROOT / "my.yaml") == f"{MARK}config/schema.json"
    assert point_to_schema(ROOT / "tests/config/my.yaml") == f"{MARK}../../config/schema.json"
    assert point_to_schema(tmp_path / "my.yaml") is None
