"""A stranger's shard ends in one message or is shown as it is; no other file is read or written."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from labelled_run import update_digest
from strange_shards import ALL, ROUND, replace
from watched_cases import call, check_cases, require_refusal, run_cases

from lbt.errors import LbtError
from lbt.pseudo_labels import shard_structure
from lbt.pseudo_labels.read import read_head
from lbt.space.architecture import SCALES
from lbt.views.label_overlays import refuse_links

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def place(labelled, tmp_path_factory):
    """A folder with `run`, one round of the labelled run, and its table."""
    folder = tmp_path_factory.mktemp("shards")
    for part in ("data", "warmup", str(ROUND)):
        shutil.copytree(labelled.run / part, folder / "run" / part)
    assert call("shards", folder / "run", "--csv", folder / "shards.csv")[0] == 0
    return folder


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.exhaustive)])
def test_a_spoiled_shard_ends_in_a_message_or_is_shown(place, count):
    found = run_cases("strange_shards:case", count, place, modules=(str(HERE),))
    check_cases(found, count, {"refused", "used"} if count > 30 else {run["outcome"] for run in found})
    assert sum(run["outcome"] == "refused" for run in found) > count / 2


@pytest.fixture
def run(place, tmp_path, monkeypatch):
    """A copy of the round, with the working directory beside it."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(place / "run", tmp_path / "run")


def edit(change):
    def apply(path):
        with h5py.File(path, "r+") as file:
            change(file)

    return apply


def attribute(name, value):
    return edit(lambda file: file.attrs.__setitem__(name, value))


def ids(text):
    return edit(lambda file: replace(file, "image_id", np.array([text.encode()] * len(file["image_id"]))))


def link(name, target):
    def change(file):
        del file[name]
        file[name] = target

    return edit(change)


def external(path):
    with h5py.File(path, "r+") as file:
        count = len(file["image_id"])
        del file["image_id"]
        file.create_dataset("image_id", (count,), "S20", external=[("/etc/passwd", 0, 20 * count)])


def virtual(path):
    with h5py.File(path, "r+") as file:
        data = file["label"]
        layout = h5py.VirtualLayout(shape=data.shape, dtype=data.dtype)
        layout[...] = h5py.VirtualSource("other.h5", "label", shape=data.shape)
        del file["label"]
        file.create_virtual_dataset("label", layout)


def claim(path):
    with h5py.File(path, "r+") as file:
        for name in shard_structure.LABELS:
            shape, chunks, kind = (10**8, *file[name].shape[1:]), file[name].chunks, file[name].dtype
            del file[name]
            file.create_dataset(name, shape, kind, chunks=chunks, compression="gzip", shuffle=True, fletcher32=True)


def user_block(path):
    options = {"libver": ("v110", "v110"), "userblock_size": 512}
    with h5py.File(path) as source, h5py.File(path.with_suffix(".new"), "w", **options) as new:
        for name in source:
            source.copy(name, new)
        new.attrs.update(source.attrs)
    path.with_suffix(".new").replace(path)


def grow(file):
    values = file["size"][:]
    values[0, 0] = 800
    replace(file, "size", values)


def two_rows(file):
    replace(file, "palette", np.zeros((2, 3), np.uint8), chunks=(2, 3))


def references(path):
    with h5py.File(path, "r+") as file:
        shape = file["size"].shape
        del file["size"]
        file.create_dataset("size", data=np.full(shape, file.ref, h5py.ref_dtype), chunks=(1, 2))


def sizes(name, value):
    def change(file):
        values = file[name][:]
        values[0, 0] = value
        replace(file, name, values)

    return edit(change)


ATTACKS = {
    "method above the folder": (attribute("method", "../../../pwned/x"), "not the name of a method"),
    "absolute method": (attribute("method", "/tmp/pwned"), "not the name of a method"),
    "method with escape": (attribute("method", "\x1b]0;pwned\x07"), r"method \x1b]0;pwned\x07 is not the name"),
    "method as array": (attribute("method", ["lbt", "lbt"]), "attribute method is not text"),
    "method as number": (attribute("method", 7), "attribute method is not text"),
    "negative round": (attribute("round", -1), "attribute round is not an integer"),
    "round as text": (attribute("round", "1"), "attribute round is not an integer"),
    "teacher": (attribute("teacher", "a\nb"), "not a digest"),
    "class with line break": (attribute("classes", json.dumps(["a\nb", *"bcdef"])), "line break"),
    "class twice": (attribute("classes", json.dumps(list("aacdef"))), "different ones"),
    "deep classes": (attribute("classes", "[" * 5000), "is damaged"),
    "id above the folder": (ids("../../../pwned"), "leads out of its folder"),
    "absolute id": (ids("/tmp/pwned"), "leads out of its folder"),
    "id with empty part": (ids("a//b"), "leads out of its folder"),
    "id with line break": (ids("a\nb"), "line break"),
    "long id": (ids("x" * 241), "longer than file systems take"),
    "id not UTF-8": (edit(lambda f: replace(f, "image_id", np.array([b"\xff\xfe"] * len(f["image_id"])))), "utf-8"),
    "external link": (link("label", h5py.ExternalLink("other.h5", "/label")), "link to another place at label"),
    "soft link": (link("label", h5py.SoftLink("/confidence")), "link to another place at label"),
    "soft link to itself": (link("label", h5py.SoftLink("/label")), "link to another place at label"),
    "link of the viewers": (link("entry/data/color", h5py.ExternalLink("o.h5", "/x")), "another place at color"),
    "group for a data set": (edit(lambda f: (f.__delitem__("label"), f.create_group("label"))), "no dataset at label"),
    "data set for a group": (link("entry", 7), "data set where the group entry should be"),
    "an entry more": (edit(lambda f: f.create_group("x")), "has 8 entries"),
    "external storage": (external, "not stored in the file"),
    "virtual": (virtual, "not stored in the file"),
    "no checksums": (edit(lambda f: replace(f, "label", fletcher32=False)), "not stored with checksums"),
    "other filter": (edit(lambda f: replace(f, "label", compression="lzf")), "not stored with checksums"),
    "one chunk": (edit(lambda f: replace(f, "label", chunks=f["label"].shape)), "in one piece for each image"),
    "can grow": (edit(lambda f: replace(f, "size", maxshape=(None, 2))), "in one piece for each image"),
    "float labels": (edit(lambda f: replace(f, "label", f["label"][:].astype("f4"))), "label is float32"),
    "references": (references, "size is object"),
    "claims": (claim, "claims 100000000 images"),
    "negative size": (sizes("size", -5), "size[0] is [-5,"),
    "too large size": (sizes("size", 10**6), "size[0] is [1000000,"),
    "larger than its place": (edit(grow), "size[0] is [800, 97]"),
    "palette of 2 rows": (edit(two_rows), "palette is uint8 (2, 3)"),
    "user block": (user_block, "other content before its own"),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_ends_in_one_message(run, name):
    change, message = ATTACKS[name]
    path = run / ROUND / "shard-000.h5"
    change(path)
    update_digest(path)
    code, out, err = call("shards", run, *ALL)
    require_refusal(code, err)
    assert any(part in err for part in message.split("|")), err
    assert f"{path}: " in err and "problem(s), see below" in out
    with pytest.raises(LbtError):
        read_head(path)
    assert {item.name for item in run.parent.iterdir()} <= {"run", "out"}


SOFT_ATTACKS = {
    "method": (attribute("method", "../../../pwned/x"), "not the name of a method"),
    "other round": (attribute("round", 7), "is not of the labelling that wrote shard-000.h5"),
    "external link": (link("probability", h5py.ExternalLink("other.h5", "/x")), "link to another place at probability"),
    "an entry more": (edit(lambda f: f.create_group("x")), "has 4 entries"),
    "missing": (edit(lambda f: f.__delitem__("probability")), "lacks the dataset probability"),
    "floats": (edit(lambda f: replace(f, "probability", f["probability"][:].astype("f2"))), "probability is float16"),
    "too few classes": (edit(lambda f: replace(f, "probability", f["probability"][:, :2])), "probability is uint8"),
    "one chunk": (edit(lambda f: replace(f, "probability", chunks=f["probability"].shape)), "in one piece for each"),
    "too large size": (sizes("size", 10**6), "size[0] is [1000000,"),
    "another size": (sizes("size", 60), "is not of the labelling that wrote shard-000.h5"),
    "certain": (edit(lambda f: f["probability"].__setitem__((0, 1, 0, 0), 0)), "does not fit the confidence"),
    "nothing": (edit(lambda f: f["probability"].__setitem__((0, slice(None), 0, 0), 255)), "does not fit the conf"),
}


@pytest.mark.parametrize("name", SOFT_ATTACKS)
def test_an_attack_by_probabilities_ends_in_one_message(run, name):
    change, message = SOFT_ATTACKS[name]
    path = run / ROUND / "probability-000.h5"
    change(path)
    update_digest(path)
    code, out, err = call("shards", run, *ALL)
    require_refusal(code, err)
    assert f"{path}: " in err and message in err and "problem(s), see below" in out


@pytest.mark.parametrize(
    ("cell", "message"),
    [("../../x", "leads out"), ("/etc/passwd", "leads out"), ('"a\nb"', "line break"), ("a/../b", "leads out")],
)
@pytest.mark.parametrize("column", [0, 1, 2])
def test_names_of_the_split_stay_below_the_data_set(run, cell, message, column):
    split = run / "data" / "split.csv"
    lines = split.read_text().splitlines()
    row = next(i for i, line in enumerate(lines) if line.endswith("teacher_train"))
    cells = lines[row].split(",")
    cells[column] = cell
    lines[row] = ",".join(cells)
    split.write_text("\n".join(lines) + "\n")
    code, _, err = call("shards", run, *ALL)
    require_refusal(code, err)
    assert message in err and "split.csv, line" in err


def test_pictures_follow_no_link(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    place = tmp_path / "out" / "png" / "lbt-seed-0-round-2"
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "elsewhere")
    code, _, err = call("shards", run, "--png", tmp_path / "out" / "png")
    require_refusal(code, err)
    assert f"{place}: is a link to another folder" in err and not list((tmp_path / "elsewhere").iterdir())


def test_pictures_in_folders_follow_no_link(tmp_path):
    (tmp_path / "round" / "city").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path)  # the folder that the user names may be a link
    refuse_links(tmp_path / "link", tmp_path / "link" / "round" / "city" / "a.png")
    (tmp_path / "round" / "city" / "inner").symlink_to(tmp_path)
    with pytest.raises(LbtError, match="inner: is a link to another folder"):
        refuse_links(tmp_path, tmp_path / "round" / "city" / "inner" / "a.png")


def test_the_stride_is_that_of_the_network():
    assert SCALES[0] == shard_structure.STRIDE
