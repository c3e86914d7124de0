"""One process at a time, which is known by name."""

import errno
import fcntl
import multiprocessing
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from lbt.errors import LbtError
from lbt.provenance import lock

LIMIT = 60  # seconds, so that a broken lock fails instead of hanging


def hold(manifest, entered, leave):
    with lock.locked(manifest):
        if os.fork() == 0:  # as a loader process, which outlives its parent for a moment
            time.sleep(5)
            os._exit(0)
        entered.set()
        leave.wait(LIMIT)


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of a stage, and the event that lets it go on."""
    context = multiprocessing.get_context("spawn")
    entered, leave = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / ".manifest.json", entered, leave))
    process.start()
    assert entered.wait(LIMIT)
    yield process, leave
    process.kill()
    process.join(LIMIT)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.3)


def enter(folder):
    with lock.locked(folder / ".manifest.json"):
        return sorted(path.name for path in folder.iterdir())


def test_another_process_is_refused_by_its_name_until_it_ends(tmp_path, holder, impatient):
    process, _ = holder
    with pytest.raises(LbtError, match=rf"process {process.pid} on {socket.gethostname()} .*`kill {process.pid}`"):
        enter(tmp_path)
    process.kill()
    process.join(LIMIT)
    assert enter(tmp_path) == [".manifest.json.lock"]  # the file that it left is no lock
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_about_to_end_is_waited_for(tmp_path, holder):
    _, leave = holder
    threading.Timer(0.5, leave.set).start()
    assert enter(tmp_path) == [".manifest.json.lock"]


def test_a_lock_whose_file_its_last_holder_removed_is_acquired_anew(tmp_path, monkeypatch):
    flock, path, removed = fcntl.flock, tmp_path / ".manifest.json.lock", []

    def removing(file, how):
        flock(file, how)
        if not removed:
            removed.append(path.unlink())

    monkeypatch.setattr(fcntl, "flock", removing)
    assert enter(tmp_path) == [".manifest.json.lock"]


@pytest.mark.parametrize("kind", [Path.symlink_to, Path.hardlink_to])
def test_a_link_in_its_place_is_refused_and_its_target_kept(tmp_path, kind):
    (tmp_path / "precious").write_text("as it was")
    kind(tmp_path / ".manifest.json.lock", tmp_path / "precious")
    with pytest.raises(LbtError, match=r"\.manifest\.json\.lock: could not be locked"):
        enter(tmp_path)
    assert (tmp_path / "precious").read_text() == "as it was"


def test_a_job_of_a_cluster_is_named(tmp_path, impatient, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    with (
        pytest.raises(LbtError, match=r"Slurm job 17 on .*`scancel 17`"),
        lock.locked(tmp_path / ".manifest.json"),
    ):
        enter(tmp_path)


@pytest.mark.parametrize(
    ("content", "name"), [("", "another process"), ("a\x1b]0;\x07", r"a\\x1b]0;\\x07"), ("\xff", "\ufffd")]
)
def test_a_damaged_name_still_refuses(tmp_path, holder, impatient, content, name):
    (tmp_path / ".manifest.json.lock").write_text(content, encoding="latin-1")
    with pytest.raises(LbtError, match=f": {name} is still at work"):
        enter(tmp_path)


def test_an_error_releases_it(tmp_path):
    with pytest.raises(KeyError), lock.locked(tmp_path / ".manifest.json"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    enter(tmp_path)
    assert "this file system has no locks; start no second run" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_message(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LbtError, match=r"\.manifest\.json\.lock: could not be locked"),
        lock.locked(tmp_path / "file" / ".manifest.json"),
    ):
        pass
