"""Splits: roles, groups that stay whole, shares, and damaged tables."""

import itertools
from pathlib import Path

import pytest
from stage_calls import call_stage

from lbt.config import DataSettings, SplitSettings
from lbt.data.division import divide
from lbt.data.layouts import list_samples
from lbt.data.sample import Sample
from lbt.data.splits import COLUMNS, ROLES, TRAINING_ROLES, read_split, training_samples
from lbt.errors import LbtError


def make_samples(sizes: list[int]) -> list[Sample]:
    return [
        Sample(f"{group:03d}-{i}", f"{group}-{i}.png", f"{group}-{i}.mask", f"{group:03d}")
        for group, size in enumerate(sizes)
        for i in range(size)
    ]


def write_and_read(data: DataSettings, splits: SplitSettings, path: Path) -> dict[str, list[Sample]]:
    call_stage("split", data=data, splits=splits, split=path)
    return {role: read_split(path, role) for role in ROLES}


def test_halves_are_shared_by_teacher_and_student(cityscapes, tmp_path):
    roles = write_and_read(cityscapes, SplitSettings(), tmp_path / "split.csv")
    assert roles["teacher_train"] == roles["student_train"]
    assert roles["teacher_val"] == roles["student_val"]
    assert (len(roles["teacher_train"]), len(roles["teacher_val"])) == (4, 4)
    assert not {s.group for s in roles["teacher_train"]} & {s.group for s in roles["teacher_val"]}
    assert roles["evaluation"] == list_samples(cityscapes, "val")
    assert roles["unlabeled"] == list_samples(cityscapes, "unlabeled")
    assert training_samples(tmp_path / "split.csv") == list_samples(cityscapes, "train")


def test_disjoint_parts_have_no_common_group(folder, tmp_path):
    data = folder.model_copy(update={"folder": folder.folder.model_copy(update={"stretch": 3})})
    roles = write_and_read(data, SplitSettings(scheme="disjoint"), tmp_path / "split.csv")
    for one, other in itertools.combinations(TRAINING_ROLES, 2):
        assert not {s.group for s in roles[one]} & {s.group for s in roles[other]}
    assert training_samples(tmp_path / "split.csv") == list_samples(data, "train")


def test_the_table_has_a_row_per_image_and_role(cityscapes, tmp_path):
    call_stage("split", data=cityscapes, splits=SplitSettings(), split=tmp_path / "split.csv")
    lines = (tmp_path / "split.csv").read_text().splitlines()
    assert lines[0] == "image_id,image,label,group,role"
    assert len(lines) == 1 + 2 * 8 + 3 + 2
    unlabelled = [line for line in lines if line.endswith(",unlabeled")]
    assert len(unlabelled) == 3 and all(",,beech," in line for line in unlabelled)


def test_the_seed_decides_the_division(cityscapes, tmp_path):
    tables = []
    for number, seed in enumerate((0, 0, 1, 2, 3)):
        call_stage("split", data=cityscapes, splits=SplitSettings(seed=seed), split=tmp_path / f"{number}.csv")
        tables.append((tmp_path / f"{number}.csv").read_text())
    assert tables[0] == tables[1]
    assert len(set(tables)) > 1


def best_distance(sizes: list[int], shares: tuple[float, ...]) -> float:
    """Smallest squared distance from the target sizes over all divisions of the groups."""
    targets = [share * sum(sizes) for share in shares]
    best = float("inf")
    for deal in itertools.product(range(len(shares)), repeat=len(sizes)):
        got = [sum(size for size, part in zip(sizes, deal, strict=True) if part == p) for p in range(len(shares))]
        if min(got) > 0:
            best = min(best, sum((g - w) ** 2 for g, w in zip(got, targets, strict=True)))
    return best


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ([174, 96, 316, 154, 85, 221, 109, 248], (0.5, 0.5)),
        ([34] * 3 + [17] * 3 + [10, 11], (0.5, 0.5)),
        ([5, 9, 3, 14, 8, 2, 6, 7], (0.4, 0.2, 0.2, 0.2)),
        ([50, 50], (0.9, 0.1)),
    ],
)
def test_shares_are_near_the_best_possible(sizes, shares):
    total = sum(sizes)
    parts = divide(make_samples(sizes), shares, seed=0)
    distance = sum((len(part) - share * total) ** 2 for part, share in zip(parts, shares, strict=True))
    assert distance**0.5 <= best_distance(sizes, shares) ** 0.5 + 0.02 * total


def test_many_small_groups_reach_the_shares_exactly():
    parts = divide(make_samples([1] * 1000), (0.4, 0.2, 0.2, 0.2), seed=3)
    assert [len(part) for part in parts] == [400, 200, 200, 200]


def test_shares_below_one_leave_images_out():
    parts = divide(make_samples([10] * 20), (0.2, 0.1, 0.1, 0.1), seed=0)
    assert [len(part) for part in parts] == [40, 20, 20, 20]


@pytest.mark.parametrize("seed", range(20))
def test_no_part_is_empty_when_groups_are_as_many_as_parts(seed):
    parts = divide(make_samples([100, 1, 1, 1]), (0.97, 0.01, 0.01, 0.01), seed)
    assert sorted(len(part) for part in parts) == [1, 1, 1, 100]
    parts = divide(make_samples([5, 5, 5, 5]), (0.1, 0.1, 0.1, 0.1), seed)
    assert [len(part) for part in parts] == [5, 5, 5, 5]


def test_too_few_groups_are_refused(folder, tmp_path):
    with pytest.raises(LbtError, match=r"12 images in 2 group\(s\) \(A01, B02\) cannot fill 4 parts.*stretch"):
        call_stage("split", data=folder, splits=SplitSettings(scheme="disjoint"), split=tmp_path / "split.csv")
    assert not (tmp_path / "split.csv").exists()


def test_an_image_in_two_official_parts_is_refused(folder, tmp_path):
    both = folder.folder.model_copy(update={"splits": {"train": "train", "val": "val", "unlabeled": "val"}})
    with pytest.raises(LbtError, match=r"val/A01_v10 \(and 5 more\) is listed in two"):
        call_stage(
            "split",
            data=folder.model_copy(update={"folder": both}),
            splits=SplitSettings(),
            split=tmp_path / "split.csv",
        )


def test_an_unknown_role_is_refused(tmp_path):
    with pytest.raises(LbtError, match="'test' is not a role"):
        read_split(tmp_path / "split.csv", "test")


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has the columns none"),
        ("image,label\n", "has the columns image, label; needed are image_id"),
        (f"{HEADER}\na,a.png,a.mask,g\n", "line 2: does not have 5 values"),
        (f"{HEADER}\na,a.png,a.mask,g,teacher\n", "unknown role 'teacher'"),
        (f"{HEADER}\na,a.png,,g,teacher_train\n", "line 2: lacks the label of a"),
        (f"{HEADER}\na,a.png,a.mask,g,unlabeled\n", "has a label for an unlabelled image"),
        (f"{HEADER}\n,,a.mask,g,evaluation\n", "lacks an image"),
        (f"{HEADER}\na,a.png,m,g,evaluation\na,a.png,m,g,evaluation\n", "line 3: repeats a as evaluation"),
        (f"{HEADER}\na,a.png,m,g,evaluation\n", "no image with the role teacher_train"),
    ],
)
def test_a_broken_table_is_refused(tmp_path, text, message):
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(LbtError, match=message):
        read_split(path, "teacher_train")


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(LbtError, match=r"none\.csv: could not be read"):
        read_split(tmp_path / "none.csv", "evaluation")
