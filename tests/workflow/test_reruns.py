"""What reruns after which change: worked out for the whole table of reruns.yaml, and played through for part of it.

Where rows are played, Snakemake decides, in a run whose stages have only written their files.
"""

import os
import re
import shutil

import pytest
from clone import HERE, QuickClone, with_value
from PIL import Image
from predicted import after_setting
from quick import quick_first
from rerun_table import FOLLOWS, SETTINGS, TABLE, WORKFLOW_READS, expected

from lbt.config.read import parse_settings
from lbt.data.file_versions import record_contents
from lbt.stages.table import STAGES


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A run with everything, all of whose jobs Snakemake has finished."""
    clone = QuickClone(tmp_path_factory.mktemp("played"), HERE / "everything.yaml")
    for part in ("train", "val", "test"):
        for number, name in enumerate("abcdefgh"):
            for folder, mode, color in ((part, "RGB", (number, 0, 0)), (f"{part}annot", "L", number % 2)):
                path = clone.folder / "data" / folder / f"{name}_1.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new(mode, (32, 32), color).save(path)
    (clone.folder / "student.pth").write_text("weights")
    clone.finish()
    settings = parse_settings(clone.settings, "everything.yaml")
    data = settings.data.model_copy(update={"root": str(clone.folder / "data")})
    record_contents(data, settings.splits, clone.folder / "results" / "played" / "data" / "files.csv")
    return clone


@pytest.fixture(scope="module")
def worlds(played):
    """Settings and all jobs of two runs: with the user's images and with synthetic scenes."""
    drawn = played.settings | {"scenes": {}, "data": {"layout": "cityscapes", "root": "scenes"}}
    worlds, before = [], played.settings
    for settings in (before, drawn):
        played.settings = settings | {"methods": ["fasterseg", "lbt", "lpt", "random"]}
        worlds.append((played.would_run("--forceall"), parse_settings(played.settings, "everything.yaml")))
    played.settings = before
    assert {job.rule for job in worlds[1][0]} | {"scenes"} == set(STAGES) == set(FOLLOWS)
    return worlds


def test_settings_rerun_what_the_table_says(worlds):
    wrong = {}
    for key, row in SETTINGS.items():
        if key in WORKFLOW_READS and key != "compute.threads":
            continue  # other jobs: see the played rows
        jobs, settings = worlds[key.startswith("scenes.") or key in ("data.classes", "data.unlabeled")]
        found, wanted = after_setting(jobs, settings, key), expected(row, key)
        wanted &= {job.rule for job in jobs}
        if found != wanted:
            wrong[key] = {"reruns, against the table": found - wanted, "does not rerun": wanted - found}
    assert not wrong


def test_one_warm_up_of_the_student_serves_all_methods_that_have_one(played, worlds):
    for jobs, settings in worlds:
        (warm_up,) = [job for job in jobs if job.rule == "student_warmup"]
        readers = [job.wildcards for job in jobs if set(warm_up.outputs) & set(job.inputs) and job.rule == "round"]
        assert sorted(dict(found)["method"] for found in readers) == ["lbt", "lpt"]
        assert {dict(found)["round"] for found in readers} == {"1"} and settings.search.rounds == 2
    with played.changed({"methods": ["fasterseg", "random"], "search.random_match": "none"}):
        assert "student_warmup" not in played.would_rerun("--forceall")


NAMES = ["+".join(f"{key}={value}" for key, value in row["change"].items()) for row in TABLE["played"]]


@pytest.mark.parametrize("row", quick_first(10, TABLE["played"]), ids=NAMES)
def test_a_played_row(played, row):
    with played.changed(row["change"]):
        jobs = played.would_run()
    assert {job.rule for job in jobs} == expected(row)
    for name, value in row.get("jobs", {}).items():  # the jobs that see the change, and no others of their rules
        seen = {dict(job.wildcards).get(name) for job in jobs if job.rule in row["rerun"]}
        assert seen - {None} == ({value} if isinstance(value, str) else set(value))


def test_nothing_changed_means_nothing_to_do(played):
    assert played.would_run() == []


def test_other_words_and_formatting_rerun_nothing(played):
    files = {path: path.read_text() for path in (played.folder / "lbt").rglob("*.py")}
    for path, text in files.items():
        path.write_text(re.sub(r'^"""', '"""Other words. ', text, count=1) + "\n\n# a comment\n")
    try:
        assert played.would_run() == []
    finally:
        for path, text in files.items():
            path.write_text(text)


@pytest.mark.parametrize(
    ("module", "rerun", "jobs"),
    [
        ("lbt.training.retrain", ["retrain", "retrain_guide", "tabular_scores"], {}),
        ("lbt.search.methods.lbt.gradient", ["round"], {"method": {"lbt"}}),
        ("lbt.pseudo_labels.shard_writer", ["label"], {}),
        ("lbt", [stage for stage in STAGES if stage != "scenes"], {}),
    ],
)
def test_a_changed_module_in_snakemake(played, module, rerun, jobs):
    path = played.folder / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = path.read_text()
    path.write_text(f"{text}\nCHANGED = 1\n")
    try:
        found = played.would_run()
    finally:
        path.write_text(text)
    assert {job.rule for job in found} == expected({"rerun": rerun})
    for name, values in jobs.items():
        assert {dict(job.wildcards)[name] for job in found if job.rule in rerun} == values


@pytest.fixture
def restored(played):
    """Data and results of the run, which are put back as they were, with their times."""
    kept = [played.folder / name for name in ("data", "results")]
    for folder in kept:
        shutil.copytree(folder, folder.with_suffix(".kept"))
    yield played
    for folder in kept:
        shutil.rmtree(folder)
        folder.with_suffix(".kept").rename(folder)


EVALUATED = {"rerun": ["evaluate_supernet", "evaluate_network", "evaluate_constant", "tabular_scores"]}


@pytest.mark.parametrize(
    ("file", "row"),
    [
        ("val/a_1.png", EVALUATED),
        ("valannot/a_1.png", EVALUATED),
        ("test/a_1.png", {"rerun": ["label"]}),
        ("testannot/a_1.png", {"rerun": []}),
    ],
)
def test_an_image_reruns_the_stages_that_read_it(restored, file, row):
    path = restored.folder / "data" / file
    with Image.open(path) as image:
        other = Image.new(image.mode, image.size, 0 if image.mode == "L" else (1, 2, 3))
        other.putpixel((0, 0), 1 if image.mode == "L" else (9, 9, 9))
    other.save(path)
    assert restored.would_rerun() == expected(row)


@pytest.mark.exhaustive
def test_an_image_of_a_training_part_reruns_what_reads_that_part(restored):
    rows = (restored.folder / "data").glob("train/*.png")
    found = {}
    for path in sorted(rows):
        whole = path.read_bytes()
        Image.new("RGB", (32, 32), (77, 77, 77)).save(path)
        jobs = restored.would_run()
        path.write_bytes(whole)
        found[frozenset(job.rule for job in jobs)] = None
        rounds = {dict(job.wildcards)["method"] for job in jobs if job.rule == "round"}
        if "warmup" in {job.rule for job in jobs}:  # teacher_train
            assert {job.rule for job in jobs} == expected(
                {"rerun": ["class_pixels", "warmup", "candidates", "retrain", "retrain_guide", "tabular_scores"]}
            )
        elif "fasterseg" in rounds:  # teacher_val
            assert {job.rule for job in jobs} == expected({"rerun": ["class_pixels", "round", "tabular_scores"]})
        else:  # student_train, student_val: no method without a student reads them
            assert rounds == {"lbt"} and "warmup" not in {job.rule for job in jobs}
    assert len(found) >= 2


def listing(folder):
    """Every file of a clone with size and time, but for Snakemake's own."""
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if not {".snakemake", "__pycache__"} & set(path.relative_to(folder).parts)
    }


def test_new_times_of_images_rerun_nothing_and_a_bad_one_stops_the_start(restored):
    for path in (restored.folder / "data").rglob("*.png"):
        os.utime(path)
    restored.write_settings()
    before = listing(restored.folder)
    assert restored.would_run() == []
    written = {path for path, seen in listing(restored.folder).items() if before.get(path) != seen}
    assert written <= {restored.folder / "tiny.yaml"}  # by this test
    Image.new("L", (32, 32), 7).save(restored.folder / "data" / "valannot" / "a_1.png")
    result = restored.snakemake("--dry-run")
    assert result.returncode != 0
    assert "valannot/a_1.png: holds ids outside the table: 7 (1024 pixels)" in result.stdout


def test_another_image_makes_another_split(restored):
    for folder in ("train", "trainannot"):
        shutil.copy(restored.folder / "data" / folder / "a_1.png", restored.folder / "data" / folder / "i_1.png")
    assert restored.would_rerun() == expected({"rerun": ["check"]})


@pytest.mark.exhaustive
def test_another_latency_device(restored):
    """Its table is measured again there, or is put in the place of this one together with its manifest."""
    assert restored.would_rerun("--forcerun", "latency") == expected({"rerun": ["latency"]})
    table = restored.folder / "results" / "played" / "latency" / "table.csv"
    table.write_text("measured elsewhere")
    assert restored.would_rerun() == expected({"rerun": ["latency"]}) - {"latency"}


@pytest.mark.exhaustive
def test_another_file_of_student_weights(played, tmp_path):
    clone = played.copy(tmp_path / "clone")
    clone.settings = with_value(clone.settings, "search.student.weights", "student.pth")
    clone.finish()
    assert clone.would_rerun() == set()
    (clone.folder / "student.pth").write_text("other weights")
    assert clone.would_rerun() == expected({"rerun": ["student_warmup"]})
