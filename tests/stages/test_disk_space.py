"""The disk that a run needs, against the files that it writes, and the table of workflow/README.md."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from quick import quick_first

from lbt.baselines import build_baseline
from lbt.config import DataSettings
from lbt.config.read import read_settings
from lbt.data.checking.check import check_data
from lbt.data.classes import class_table
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.provenance.manifest import write_manifest
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.shard_writer import ImagePrediction, write_shard
from lbt.runtime.checkpoint import load_checkpoint, save_checkpoint
from lbt.search.state import STATE_KIND
from lbt.space.padding import upsample
from lbt.space.supernet_file import KIND
from lbt.stages.disk_space import (
    SHARD_BYTES,
    Images,
    Needs,
    check_disk,
    count_images,
    disk_needs,
    readable,
    require_space,
)

ROOT = Path(__file__).resolve().parents[2]
# Images without labels and pixels of an image: CamVid 233 of 480 x 360, Cityscapes 1525 of 2048 x 1024.
DATA_SETS = {"camvid": Images(233, 480 * 360), "cityscapes": Images(1525, 2048 * 1024)}


def all_needs_of(settings, images: Images, **changes) -> Needs:
    methods = changes.pop("methods", settings.methods)
    search = settings.search.model_copy(update=changes)
    return disk_needs(settings.model_copy(update={"methods": methods, "search": search}), images)


def needs_of(settings, images: Images, **changes) -> dict[str, float]:
    return all_needs_of(settings, images, **changes).most


CASES = [("lbt", {}), ("lbt", {"student_memory": 0.9, "label_steps": 2}), ("fasterseg", {}), ("lpt", {})]


@pytest.mark.parametrize(("method", "search"), quick_first(2, CASES))
def test_the_estimate_is_what_a_round_writes(play, tiny, method, search):
    needs = needs_of(tiny.settings, Images(5, 61 * 97), methods=(method,), rounds=1, shards=2, **search)
    place = play("a", method=method, **search)
    sizes = {name: (place / f"{name}.pt").stat().st_size for name in ("checkpoint", "training_state")}
    assert needs["weights of rounds"] == pytest.approx(sizes["checkpoint"], rel=0.1)
    assert needs["training states of rounds"] == pytest.approx(sizes["training_state"], rel=0.1)
    contents = [
        load_checkpoint(place / "checkpoint.pt", kind=KIND),
        load_checkpoint(place / "training_state.pt", kind=STATE_KIND),
    ]
    save_checkpoint(place / "saved.resume", kind="resume", identity={}, state={"parts": contents})
    saved = (place / "saved.resume").stat().st_size
    assert needs["saved states of running rounds"] == pytest.approx(saved, rel=0.1)
    assert needs["weights after the warm-up"] == pytest.approx(tiny.warmup.stat().st_size, rel=0.1)
    student = tiny.student.stat().st_size if method != "fasterseg" else 0
    assert needs["student after its warm-up"] == pytest.approx(student, rel=0.1)
    for kind, what in (("shard", "labels of rounds"), ("probability", "probabilities of rounds")):
        assert (needs[what] > 0) == bool(list(place.glob(f"{kind}-*.h5"))) == (method == "lbt")


def test_labels_of_a_blurred_teacher_take_twice_the_estimate(tiny, tmp_path):
    """Logits that vary over some 30 pixels everywhere, which compress badly; a trained teacher's take less."""
    classes, pixels = class_table(tiny.settings.data), (256, 512)
    coarse = torch.randn(2, len(classes.names), 8, 16, generator=torch.Generator().manual_seed(0))
    low = upsample(4 * coarse, (32, 64)).softmax(dim=1)
    label = upsample(low, pixels).argmax(dim=1)
    predictions = [ImagePrediction(str(i), label[i].to(torch.uint8).numpy(), low[i].numpy()) for i in range(2)]
    identity, sizes = ShardIdentity(1, "lbt", 0, "teacher", "code"), {str(i): pixels for i in range(2)}
    files = {"labels of rounds": tmp_path / "shard.h5", "probabilities of rounds": tmp_path / "probability.h5"}
    write_shard(*files.values(), predictions, sizes, classes, identity)
    images = Images(2, pixels[0] * pixels[1])
    needs = needs_of(tiny.settings, images, methods=("lbt",), rounds=1, shards=1)
    taken = {what: path.stat().st_size / needs[what] for what, path in files.items()}
    assert 1 < taken["labels of rounds"] < 2.2 and 0.8 < taken["probabilities of rounds"] < 1.3, taken


@pytest.mark.parametrize("count", [1, 30])
def test_a_shard_of_almost_nothing_takes_what_its_format_takes(tmp_path, count):
    classes, size = class_table(DataSettings(classes=("road", "sky"))), (8, 8)
    half = np.full((2, 1, 1), 0.5, np.float32)
    predictions = [ImagePrediction(str(i), np.zeros(size, np.uint8), half) for i in range(count)]
    paths = tmp_path / "shard.h5", tmp_path / "probability.h5"
    write_shard(*paths, predictions, {str(i): size for i in range(count)}, classes, ShardIdentity(1, "lbt", 0, "", ""))
    for path, expected in zip(paths, SHARD_BYTES, strict=True):
        assert path.stat().st_size == pytest.approx(expected, rel=0.3), path


def test_what_is_kept_follows_the_setting(tiny):
    """The files that a search of 30 rounds holds at once and at its end, counted while it writes and removes them."""
    images = Images(5, 61 * 97)
    one = needs_of(tiny.settings, images, methods=("lbt",), rounds=1)
    # by 10: 10, 20, 29, 30, while labelling 30: 10, 20, 28 to 30, and at the end 10, 20, 30
    for keep_every, weights, soft, kept in ((10, 4, 5, 3), (100, 2, 3, 1), (1, 30, 30, 30)):
        needs, finished = all_needs_of(tiny.settings, images, methods=("lbt",), rounds=30, keep_every=keep_every)
        for kind, count in {"weights": kept, "probabilities": kept, "training states": 1, "labels": 30}.items():
            kind = f"{kind} of rounds"
            assert finished[kind] == pytest.approx(count * one[kind]), (kind, keep_every)
        assert "saved states of running rounds" not in finished
        assert needs["weights of rounds"] == pytest.approx(weights * one["weights of rounds"]), keep_every
        assert needs["probabilities of rounds"] == pytest.approx(soft * one["probabilities of rounds"]), keep_every
        assert needs["training states of rounds"] == pytest.approx(2 * one["training states of rounds"])
        assert needs["labels of rounds"] == pytest.approx(30 * one["labels of rounds"])


def test_a_machine_that_runs_one_job_holds_one_saved_state(tiny):
    images, what = Images(5, 61 * 97), "saved states of running rounds"
    by_method = {method: needs_of(tiny.settings, images, methods=(method,))[what] for method in ("lbt", "random")}
    settings = tiny.settings.model_copy(update={"methods": ("lbt", "random")})
    assert disk_needs(settings, images, 1).most[what] == pytest.approx(max(by_method.values()))
    assert disk_needs(settings, images, 2).most[what] == pytest.approx(sum(by_method.values()))
    assert disk_needs(settings, images, 9).most[what] == disk_needs(settings, images).most[what]


def test_a_baseline_is_stored_twice_for_each_seed(tiny, tmp_path):
    """By the stage that trains it, and packed."""
    images, what = Images(5, 61 * 97), "retrained networks"
    settings = tiny.settings.model_copy(update={"seeds": (0, 1, 2)})
    with_baseline = settings.model_copy(update={"baselines": ("fast_scnn",)})
    difference = disk_needs(with_baseline, images).most[what] - disk_needs(settings, images).most[what]
    network = build_baseline("fast_scnn", tiny.classes.num_classes, settings.space.base_width)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    assert difference == pytest.approx(3 * 2 * (tmp_path / "weights.pt").stat().st_size, rel=0.1)


def test_images_are_counted_by_the_check_or_by_the_scenes_that_will_be_generated(tiny):
    report = check_data(tiny.settings)
    assert count_images(tiny.settings, report) == Images(5, 61 * 97)
    assert count_images(tiny.settings, None) == Images(5, 61 * 97, 24)
    assert count_images(tiny.settings.model_copy(update={"scenes": None}), None) == Images(5, 61 * 97)
    half = tiny.settings.search.pseudo_labels.model_copy(update={"ratio": 0.25})
    search = tiny.settings.search.model_copy(update={"pseudo_labels": half})
    labelled = tiny.settings.model_copy(update={"search": search})
    assert count_images(labelled, report).to_label == 2  # of 8 images of student_train


def test_too_small_a_disk_is_refused_unless_the_files_are_there_already(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=3_000_000))
    folder, needs = tmp_path / "results" / "run", Needs({"weights of rounds": 5e6}, {"weights of rounds": 2e6})
    with pytest.raises(LbtError) as caught:
        require_space(needs, folder)
    text = str(caught.value)
    assert f"{folder}: the disk has 3.00 MB free, and the run needs up to 2.00 MB more." in text
    assert "search.keep_every" in text and re.search(r"weights of rounds +5\.00 MB", text)
    folder.mkdir(parents=True)
    (folder / "half").write_bytes(bytes(1_050_000))
    (folder / "same").hardlink_to(folder / "half")
    with pytest.raises(LbtError):  # a second name takes no space
        require_space(needs, folder)
    (folder / "checkpoint.pt").write_bytes(bytes(1_050_000))
    assert require_space(needs, folder).startswith(
        "disk: at most 5.00 MB while the run is in progress, 2.00 MB when it has finished, 3.00 MB free\n"
    )


def test_a_run_counts_its_images_by_its_own_check(tiny, tmp_path, monkeypatch):
    line = check_disk(tiny.settings, tmp_path / "run").splitlines()[0]
    assert re.fullmatch(
        r"disk: at most [\d.]+ MB while .* in progress, [\d.]+ MB when it has finished, [\d.]+ [GT]B free", line
    )
    report = tmp_path / "run" / "data" / "check.json"
    content = check_data(tiny.settings)
    content["parts"]["unlabeled"] = 10_000_000
    write_json(report, content)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10**9))
    with pytest.raises(LbtError, match="labels of rounds"):
        check_disk(tiny.settings, tmp_path / "run")


def test_a_damaged_report_is_named(tiny, tmp_path):
    report = tmp_path / "run" / "data" / "check.json"
    write_json(report, check_data(tiny.settings))
    write_manifest(
        report.with_name(".manifest-check.json"), stage="check", settings={}, code="c0de", inputs={}, outputs=[report]
    )
    check_disk(tiny.settings, tmp_path / "run")
    report.write_text(report.read_text().replace('"parts"', '"pbrts"'))
    with pytest.raises(LbtError, match=r"check\.json: its content differs"):
        check_disk(tiny.settings, tmp_path / "run")


@pytest.mark.parametrize("name", quick_first(1, ["config", "camvid-cpu", "camvid", "cityscapes"]))
def test_the_table_of_the_readme_holds(name):
    settings = read_settings(ROOT / "config" / f"{name}.yaml")
    images = DATA_SETS.get(name.partition("-")[0]) or count_images(settings, None)
    needs, finished = all_needs_of(settings, images)
    kinds = "weights of rounds", "training states of rounds", "saved states of running rounds"
    labels = needs["labels of rounds"], needs["probabilities of rounds"]
    shown = map(readable, (sum(needs[kind] for kind in kinds), *labels, sum(needs.values()), sum(finished.values())))
    row = f"| `config/{name}.yaml` | {' | '.join(shown)} |"
    assert row in (ROOT / "workflow" / "README.md").read_text().splitlines(), row
