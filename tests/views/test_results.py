"""Results of others: what is not as a stage writes it ends in one message."""

import json

import pytest
from mutations import nested

from lbt.errors import LbtError
from lbt.files import read_json
from lbt.views.results import ConstantScores, Profile, Scores, read_columns, read_part


def spoil(path, content, **items):
    path.write_text(json.dumps({key: value for key, value in {**content, **items}.items() if value != "absent"}))
    return path


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({"miou": "absent"}, "miou: Field required"),
        ({"miou": "0.5"}, "miou: Input should be a valid number"),
        ({"miou": None}, "miou"),
        ({"iou": []}, "iou"),
        ({"iou": {}}, "iou"),
        ({"iou": {"a\nb": 0.5, "c": 0.5, "d": None}}, "line break"),
        ({"iou": {"x" * 101: 0.5, "c": 0.5, "d": None}}, "101 characters"),
        ({"confusion": [[1, 2, 3]]}, "a row and a column for each class"),
        ({"confusion": [[1, 2], [3, 4], [5, 6]]}, "a row and a column for each class"),
        ({"confusion": [[-1, 2, 3], [0, 0, 0], [0, 0, 0]]}, "confusion.0.0"),
        ({"confusion": nested(100, list)}, "confusion"),
    ],
)
def test_scores_without_a_score_are_named(networks, tmp_path, items, message):
    path = spoil(tmp_path / "network.json", networks[0].network, **items)
    with pytest.raises(LbtError) as raised:
        read_part(path, Scores)
    assert str(raised.value).startswith(f"{path}: ") and message in str(raised.value)


@pytest.mark.parametrize("items", [{"median_ms": 0}, {"fps": "absent"}, {"parts_ms": -1}, {"macs": 1.5}])
def test_a_profile_without_a_number_is_named(networks, tmp_path, items):
    path = spoil(tmp_path / "profile.json", networks[0].profile, **items)
    with pytest.raises(LbtError, match=f"profile.json: {next(iter(items))}: "):
        read_part(path, Profile)


def test_whole_results_are_returned_as_they_are(networks, constant, tmp_path):
    for model, content in ((Scores, networks[0].network), (Profile, networks[0].profile), (ConstantScores, constant)):
        path = spoil(tmp_path / "a.json", content, further=[1])
        assert read_part(path, model) == read_json(path) == content | {"further": [1]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No columns"),
        ("round,loss\n", "no rows"),
        ("loss\n1\n", "lacks the column round"),
        ("round,loss\n1,=cmd\n", "the column loss"),
        ("round,loss\n,1\n", "the column round"),
        ("round,loss\n1,2,3\n4\n", "the column|no table"),
        ('round,loss\n1,"2\n', "no table of numbers"),
        ("round,loss\n1,\xff\n", "the column|utf-8"),
    ],
)
def test_rows_that_are_no_numbers_are_named(tmp_path, text, message):
    path = tmp_path / "metrics.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LbtError) as raised:
        read_columns(path, ("round",))
    assert any(part in str(raised.value) for part in message.split("|")), str(raised.value)


def test_rows_of_numbers_and_blanks_are_read(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("round,loss,blank\n1,0.5,\n2,,\n")
    assert read_columns(path, ("round",))["round"].tolist() == [1, 2]
