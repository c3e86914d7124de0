"""The columns of a round's `metrics.csv`, for each method with and without a co-search."""

import pytest

from lbt.search.step_record import select_progress_values


def columns(text):
    return text.split()


LBT = columns("""
round step latency_weight teacher_loss guide_loss teacher_weight_gradient_norm
student_loss pseudo_loss pseudo_share student_weight_gradient_norm
teacher_val_loss student_val_loss latency_ms teacher_gradient_norm student_gradient_norm student_factor
second_order_gradient_norm latency_gradient_norm entropy_gradient_norm architecture_gradient_norm
teacher_student_cosine second_order_cosine
fps guide_val_loss guide_gradient_norm guide_entropy_alpha guide_entropy_beta entropy_alpha entropy_beta entropy_gamma
skipped_teacher skipped_architecture skipped_guide skipped_student lr_teacher lr_architecture lr_student seconds
""")
STUDENT = {"student_loss", "pseudo_loss", "pseudo_share", "student_weight_gradient_norm", "skipped_student"}
STUDENT |= {"lr_student"}
LPT = columns("""
round step latency_weight teacher_loss teacher_weight_gradient_norm
tester_loss bank_loss tester_weight_gradient_norm
teacher_val_loss tester_val_loss latency_ms teacher_gradient_norm tester_gradient_norm tester_factor
second_order_gradient_norm latency_gradient_norm entropy_gradient_norm architecture_gradient_norm
teacher_tester_cosine second_order_cosine
fps creator_objective creator_gradient_norm creator_through_tester_norm largest_share
entropy_alpha entropy_beta entropy_gamma skipped_teacher skipped_architecture skipped_tester skipped_creator
lr_teacher lr_architecture lr_tester lr_creator seconds
""")


def without_guide(columns):
    return [name for name in columns if "guide" not in name]


@pytest.mark.parametrize(
    ("method", "cosearch", "expected"),
    [
        ("lbt", True, LBT),
        ("lbt", False, without_guide(LBT)),
        ("lpt", False, LPT),
        # a method without a partner leaves the student's columns of the architecture step blank
        ("fasterseg", True, [name for name in LBT if name not in STUDENT]),
        ("random", False, [name for name in without_guide(LBT) if name not in STUDENT]),
    ],
)
def test_the_columns_and_their_order(play, method, cosearch, expected):
    header = (play("round", method=method, cosearch=cosearch) / "metrics.csv").read_text().splitlines()[0]
    assert header.split(",") == expected


def test_the_progress_line_leaves_out_what_is_blank_or_zero():
    row = {"teacher_loss": 2.0, "tester_loss": 1.0, "teacher_val_loss": float("nan"), "skipped_teacher": 0}
    assert select_progress_values(row) == {"loss": 2.0, "tester": 1.0}
    assert select_progress_values(row | {"skipped_teacher": 2, "skipped_tester": 1})["skipped"] == 3
