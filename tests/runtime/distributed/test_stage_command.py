"""The command of a stage with two GPUs, which are processes on the CPU here."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from stage_calls import stage_words

from lbt.__main__ import main
from lbt.data.loader import Stream
from lbt.data.splits import read_split
from lbt.runtime.seeding import derive_seed

OUTPUTS = {"checkpoint": "checkpoint.pt", "metrics": "metrics.csv"}


@pytest.fixture
def words(tiny):
    """Words of the command line for the warm-up of the tiny settings on so many GPUs, into a folder."""

    def build(folder, gpus, *, epochs=1.0, **data):
        changed = {
            "warmup": tiny.settings.warmup.model_copy(update={"gpus": gpus, "epochs": epochs}),
            "data": tiny.settings.data.model_copy(update=data),
            "compute": tiny.settings.compute.model_copy(update={"checkpoint_minutes": 0.0}),
        }
        settings = tiny.settings.model_copy(update=changed)
        outputs = {key: folder / name for key, name in (OUTPUTS | {"manifest": ".manifest.json"}).items()}
        return stage_words("warmup", settings, folder / "log.txt", inputs={"split": tiny.split}, outputs=outputs)

    return build


def first_loss(folder):
    with open(folder / "metrics.csv", encoding="utf-8") as file:
        return float(next(csv.DictReader(file))["loss"])


def test_two_leave_what_one_does(words, tmp_path, capfd):
    left = {}
    for gpus in (1, 2):
        folder = tmp_path / str(gpus)
        assert main(words(folder, gpus)) == 0
        assert "step 2/2" not in capfd.readouterr().err and (folder / "log.txt").read_text().count("step 2/2") == 1
        left[gpus] = folder
    assert sorted(p.name for p in left[1].iterdir()) == sorted(p.name for p in left[2].iterdir())
    assert first_loss(left[2]) == pytest.approx(first_loss(left[1]), rel=1e-5)
    one, two = (json.loads((folder / ".manifest.json").read_text()) for folder in left.values())
    assert one["outputs"].keys() == two["outputs"].keys() == set(OUTPUTS.values())
    assert two["settings"]["warmup"]["gpus"] == 2


def test_an_image_that_one_of_them_cannot_read_ends_the_stage(words, tiny, tmp_path, capfd):
    root = shutil.copytree(tiny.settings.data.root, tmp_path / "data")
    samples, size = read_split(tiny.split, "teacher_train"), tiny.settings.warmup.batch_size
    _, index = Stream(len(samples), size, derive_seed(0, "warmup")).indices(0)[-1]  # in the second's half
    image = root / samples[index].image
    image.write_bytes(image.read_bytes()[:100])
    folder = tmp_path / "broken"
    assert main(words(folder, 2, root=str(root))) == 1
    errors = capfd.readouterr().err
    assert f"lbt stage: {image}" in errors and "Traceback" not in errors
    assert str(image) in (folder / "log.txt").read_text()
    assert sorted(path.name for path in folder.iterdir()) == ["log.error", "log.txt"]


@pytest.mark.exhaustive
def test_two_resumed_processes_end_with_the_files_of_two_uninterrupted_ones(words, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main(words(whole, 2, epochs=2.0)) == 0
    command = [sys.executable, "-m", "lbt", *words(stopped, 2, epochs=2.0)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    side = stopped / "checkpoint.pt.resume"
    deadline = time.monotonic() + 200
    while not side.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(100) == 128 + signal.SIGTERM
    said = (stopped / "log.txt").read_text()
    assert "of 4, then stopped by SIGTERM" in said and side.exists() and not (stopped / "checkpoint.pt").exists()
    assert main(words(stopped, 2, epochs=2.0)) == 0
    assert "resumes after step" in (stopped / "log.txt").read_text() and not side.exists()
    for name in OUTPUTS.values():
        assert (stopped / name).read_bytes() == (whole / name).read_bytes(), name
