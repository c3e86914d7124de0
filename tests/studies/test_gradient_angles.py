"""The angle study at the smallest size, on synthetic street scenes."""

import argparse
from itertools import product
from pathlib import Path

import gradient_angles as study
import pytest
from angles_figure import draw

TINY = Path(__file__).resolve().parent.parent / "workflow" / "tiny.yaml"


pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def found(tiny):
    options = {
        "root": tiny.settings.data.root,
        "config": TINY,
        "seeds": 1,
        "points": 2,
        "unroll": 2,
        "between": 1,
        "layers": 4,
        "base_width": 2,
        "height": 64,
        "width": 64,
        "batch_size": 2,
        "student": "lraspp_mobilenet_v3_large",
        "warmup_epochs": 0.5,
        "student_steps": 1,
        "label_ratio": 0.25,
        "teacher_lr": 1e-3,
        "student_lr": 1e-3,
        "architecture_lr": 0.03,
    }
    return study.run(argparse.Namespace(**options))


def test_every_combination_has_a_row(found):
    angles, points = found
    parts = ("teacher", "student", "whole raw", "whole matched")
    expected = set(product((0, 1), (1, 2), parts, study.GRADIENTS, study.LOGITS))
    rows = [tuple(row[key] for key in ("point", "steps", "part", "gradient", "logits")) for row in angles]
    assert set(rows) == expected
    assert len(rows) == len(expected)
    assert all(-1.0001 <= row["cosine"] <= 1.0001 and row["norm_ratio"] > 0 for row in angles)
    assert [point["point"] for point in points] == [0, 1]


def test_through_one_step_the_real_networks_agree_with_one_step(found):
    """In single precision, with the student of the study."""
    assert all(point["one_step_error"] < 1e-3 for point in found[1])


def test_the_table_and_the_figure_are_made(found, tmp_path):
    assert study.table(found[0], 1).splitlines()[2].startswith("| teacher | 1.00 (1.00 .. 1.00) | ")
    draw(study.rounded(found[0]), tmp_path / "angles")
    assert (tmp_path / "angles.svg").stat().st_size > 1000
    assert (tmp_path / "angles.png").stat().st_size > 1000
