"""One process at a time, which is known by name."""

import errno
import fcntl
import json
import multiprocessing
import socket
import threading

import pytest

from lbt.errors import LbtError
from lbt.provenance import lock


def hold(manifest, entered, leave):
    with lock.locked(manifest):
        entered.set()
        leave.wait()


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of a stage, and the event that lets it go on."""
    context = multiprocessing.get_context("spawn")
    entered, leave = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "manifest.json", entered, leave))
    process.start()
    entered.wait()
    yield process, leave
    process.kill()
    process.join()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.3)


def enter(folder):
    with lock.locked(folder / "manifest.json"):
        return sorted(path.name for path in folder.iterdir())


def test_another_process_is_refused_by_its_name_until_it_ends(tmp_path, holder, impatient):
    process, _ = holder
    assert lock.held(tmp_path / "manifest.json")
    with pytest.raises(LbtError, match=rf"process {process.pid} on {socket.gethostname()} .*`kill {process.pid}`"):
        enter(tmp_path)
    process.kill()
    process.join()
    assert not lock.held(tmp_path / "manifest.json")
    assert enter(tmp_path) == [".manifest.json.lock"]  # what it left is taken over
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_about_to_end_is_waited_for(tmp_path, holder):
    _, leave = holder
    threading.Timer(0.5, leave.set).start()
    assert enter(tmp_path) == [".manifest.json.lock"]


def test_a_lock_whose_file_its_last_holder_removed_is_taken_anew(tmp_path, monkeypatch):
    lock, path, removed = fcntl.lockf, tmp_path / ".manifest.json.lock", []

    def removing(file, how):
        lock(file, how)
        if not removed:
            removed.append(path.unlink())

    monkeypatch.setattr(fcntl, "lockf", removing)
    assert enter(tmp_path) == [".manifest.json.lock"]


def test_a_job_of_a_cluster_is_named(tmp_path, holder, impatient):
    lock = tmp_path / ".manifest.json.lock"
    lock.write_text(json.dumps({"host": socket.gethostname(), "pid": 1, "slurm_job": "17"}))
    with pytest.raises(LbtError, match=r"Slurm job 17 on .*`scancel 17`"):
        enter(tmp_path)


@pytest.mark.parametrize("content", ["", "[", "[]", "null"])
def test_a_damaged_name_still_refuses(tmp_path, holder, impatient, monkeypatch, content):
    monkeypatch.setattr(lock, "PATIENCE_ELSEWHERE", 0.3)
    (tmp_path / ".manifest.json.lock").write_text(content)
    with pytest.raises(LbtError, match="is still at work"):
        enter(tmp_path)


def test_an_error_releases_it(tmp_path):
    with pytest.raises(KeyError), lock.locked(tmp_path / "manifest.json"):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    enter(tmp_path)
    assert "this file system has no locks; start no second run" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_message(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(LbtError, match=r"\.manifest\.json\.lock: could not be written"),
        lock.locked(tmp_path / "file" / "manifest.json"),
    ):
        pass
