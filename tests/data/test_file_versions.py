"""A file counts as changed only if its content has changed, whatever its time is."""

import json
import os

import pytest

from lbt.config import DataSettings, SplitSettings
from lbt.data import file_versions
from lbt.data.file_versions import data_versions, read_record, record_contents, write_record
from lbt.data.splits import ROLES, TRAINING_ROLES
from lbt.errors import LbtError

FOLDER = {"classes": [{"name": name, "id": id, "color": [id] * 3} for id, name in enumerate("ab")], "group": "(.)_"}


@pytest.fixture
def data(tmp_path):
    settings = {"layout": "folder", "root": str(tmp_path / "data"), "folder": FOLDER}
    for name in ("train/a_1", "train/b_1", "val/c_1", "test/d_1"):
        for folder in (name, name.replace("/", "annot/")):
            path = tmp_path / "data" / f"{folder}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(folder)
    return DataSettings.model_validate_json(json.dumps(settings))


class Start:
    """Starts of a run on the data set, with the samples they inspected and their log lines."""

    def __init__(self, data, record):
        self.data, self.record, self.inspected, self.notes = data, record, [], []
        self.inspect = self.inspected.extend

    def versions(self):
        self.inspected.clear()
        self.notes.clear()
        found = data_versions(self.data, SplitSettings(), self.record, inspect=self.inspect, note=self.notes.append)
        versions, record = found
        if record:
            write_record(self.record, record)
        return versions

    def check(self):
        record_contents(self.data, SplitSettings(), self.record)

    def write(self, file, text, time=None):
        path = self.record.parent / "data" / file
        path.write_text(text)
        os.utime(path, None if time is None else (time, time))


@pytest.fixture
def start(data, tmp_path):
    return Start(data, tmp_path / "files.csv")


def changed(before, after):
    return {role for role in ROLES if before.roles[role] != after.roles[role]}


def test_the_check_and_new_times_change_no_version(start, tmp_path):
    first = start.versions()
    assert not start.record.exists()
    start.check()
    assert start.versions() == first and not start.notes
    for path in (tmp_path / "data").rglob("*.png"):
        os.utime(path, (1, 1))
    assert start.versions() == first and not start.inspected
    assert "7 file(s) have a new time" in start.notes[0]  # labels of unlabelled images do not count
    assert start.versions() == first and not start.notes  # the record has the new times


@pytest.mark.parametrize(
    ("file", "roles"),
    [
        ("val/c_1.png", {"evaluation"}),
        ("valannot/c_1.png", {"evaluation"}),
        ("test/d_1.png", {"unlabeled"}),
        ("testannot/d_1.png", set()),
    ],
)
def test_new_content_changes_the_roles_of_the_file(start, file, roles):
    start.check()
    first = start.versions()
    text = "other content"[: len(file) - 4].ljust(len(file) - 4)  # as long as the first
    start.write(file, text)
    second = start.versions()
    assert changed(first, second) == roles and second.split == first.split
    assert len(start.inspected) == len(roles)
    assert start.versions() == second and not start.inspected  # inspected once
    start.write(file, file.removesuffix(".png"))
    assert start.versions() == first  # the first content has its first version


def test_a_training_image_changes_its_parts(start):
    start.check()
    first = start.versions()
    start.write("train/a_1.png", "other")
    found = changed(first, start.versions())
    assert found in ({"teacher_train", "student_train"}, {"teacher_val", "student_val"})
    assert found < set(TRAINING_ROLES)


def test_a_new_file_changes_the_split(start):
    start.check()
    first = start.versions()
    for folder in ("val", "valannot"):
        start.write(f"{folder}/c_2.png", "new")
    second = start.versions()
    assert second.split != first.split and changed(first, second) == {"evaluation"}
    start.check()
    assert start.versions() == second


def test_a_bad_file_is_refused_at_every_start(start):
    start.check()
    start.write("val/c_1.png", "other")

    def refuse(samples):
        raise LbtError("cannot be decoded")

    start.inspect = refuse
    for _ in range(2):
        with pytest.raises(LbtError, match="cannot be decoded"):
            start.versions()


def test_a_damaged_record_is_named(start):
    start.check()
    text = start.record.read_text()
    for damaged, message in (
        (text[:30], "has the columns"),
        (text.replace(",", ";"), "has the columns"),
        (text.replace("val/c_1.png,", "val/c_1.png,x"), "invalid literal"),
    ):
        start.record.write_text(damaged)
        with pytest.raises(LbtError, match=rf"files\.csv.*{message}.*rerun the stage `check`"):
            read_record(start.record)


def test_a_file_that_cannot_be_read_is_named(start, monkeypatch):
    def fail(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(file_versions, "sha256", fail)
    with pytest.raises(LbtError, match=r"[abcd]_1\.png: could not be read \(Permission denied\)"):
        start.check()
