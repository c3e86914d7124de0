"""The page of settings: device, commit, escaping."""

import subprocess

from stage_calls import call_stage

from lbt.config import Settings
from lbt.views import settings


def git(folder, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_the_page_names_device_and_commit(tmp_path, monkeypatch):
    (tmp_path / "table.csv").write_text('device,backend\n"A <fast> one, 2 cores",eager\n')
    monkeypatch.setattr(settings, "describe_commit", lambda folder: "abc-dirty")
    values = Settings.model_validate({"data": {"layout": "cityscapes", "root": "r"}})
    for name in ("a", "b"):
        files = {"yaml": tmp_path / f"{name}.yaml", "page": tmp_path / f"{name}.html"}
        call_stage("settings", values, table=tmp_path / "table.csv", **files)
    page = (tmp_path / "a.html").read_text()
    assert ">A &lt;fast&gt; one, 2 cores</td>" in page and ">abc-dirty</td>" in page
    assert page == (tmp_path / "b.html").read_text()


def test_the_page_shows_the_names_of_classes_as_text():
    page = settings.make_page("<i>run", "classes: [<script>alert(1)</script>]", {"device": "<b>"})
    assert "[&lt;script&gt;alert(1)&lt;/script&gt;]" in page and "&lt;i&gt;run" in page
    assert not any(tag in page for tag in ("<script", "<i>", "<b>"))


def test_only_a_clone_has_a_commit(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "inside").mkdir()
    (tmp_path / "file").write_text("a")
    assert settings.describe_commit(tmp_path) is None  # nothing is committed
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "a")
    commit = settings.describe_commit(tmp_path)
    assert commit and int(commit, 16) and settings.describe_commit(tmp_path / "inside") is None
    (tmp_path / "file").write_text("b")
    assert settings.describe_commit(tmp_path) == f"{commit}-dirty"
    monkeypatch.setenv("PATH", "")
    assert settings.describe_commit(tmp_path) is None
