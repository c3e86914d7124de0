"""`lbt shards`: good shards are summarised, and damaged shards are named."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from labelled_run import update_digest
from PIL import Image

from lbt.__main__ import main
from lbt.files import digest, write_json
from lbt.pseudo_labels.origin import read_origin


@pytest.fixture
def run(labelled, tmp_path):
    """A copy of the run that a test may damage; the data set is not copied."""
    return shutil.copytree(labelled.run, tmp_path / "results" / "tiny")


def shard(run, number=1, index=0):
    return run / f"search/lbt/seed-0/round-{number}/pseudo_labels/shard-{index:03d}.h5"


def test_a_run_is_listed_and_summarised_by_round(run, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["shards", str(run), "--csv", str(tmp_path / "s.csv")]) == 0
    text = capsys.readouterr().out
    assert text.count(".h5") == 4 and "problem(s)" not in text and "removed" not in text.split("share:")[0]
    assert "lbt, seed 0, round 1: 5 images" in text and "against round 1, 5 images" in text
    assert "true labels of 5 images: the synthetic scenes" in text
    assert max(map(len, text[text.index("share: part") :].splitlines())) <= 80
    table = pd.read_csv(tmp_path / "s.csv")
    assert len(table) == 2 * 7 and set(table["round"]) == {1, 2}
    assert table.query("round == 1")["changed"].isna().all()
    by_class = table[table["class"] != "all"].groupby("round")["share"].sum()
    np.testing.assert_allclose(by_class, 1, atol=1e-5)


@pytest.mark.parametrize(
    "below", ["search/lbt/seed-0", "search/lbt/seed-0/round-2", "search/lbt/seed-0/round-2/pseudo_labels"]
)
def test_any_folder_of_a_run_can_be_summarised(run, capsys, below):
    assert main(["shards", str(run / below)]) == 0
    assert "against round 1" in capsys.readouterr().out  # the previous round is found beside it


def test_a_previous_round_of_another_search_is_not_compared(run, capsys):
    for index in range(2):
        edit(shard(run, 1, index), lambda file: file.attrs.modify("seed", 5))
    assert main(["shards", str(run / "search/lbt/seed-0/round-2")]) == 0
    out = capsys.readouterr().out
    assert "round 2: 5 images" in out and "against round 1" not in out


def test_a_relative_root_is_found_from_any_folder(run, tmp_path, monkeypatch):
    """The root of the settings is relative to the folder that holds `results/`."""
    manifest = shard(run).with_name(".manifest-000.json")
    content = json.loads(manifest.read_text())
    content["settings"]["data"]["root"] = "images"
    del content["digest"]
    write_json(manifest, content | {"digest": digest(content)})
    (tmp_path / "images").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    origin = read_origin(shard(run))
    assert origin is not None and Path(origin.data.root).resolve() == tmp_path / "images"


def test_a_single_shard_can_be_summarised(run, capsys):
    assert main(["shards", str(shard(run))]) == 0
    assert "round 1: 3 images" in capsys.readouterr().out  # images of the other shard are not reported as missing


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    update_digest(path)


def flip(path):
    with h5py.File(path) as file:
        place = file["confidence"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 3] ^= 0xFF
    path.write_bytes(content)
    update_digest(path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])
    update_digest(path)


def default_format(path):
    with h5py.File(path) as source, h5py.File(path.with_suffix(".new"), "w") as target:
        for name in source:
            source.copy(name, target)
        target.attrs.update(source.attrs)
    path.with_suffix(".new").replace(path)
    update_digest(path)


DAMAGES = {
    "differs from the digest": lambda p: p.write_bytes(p.read_bytes() + b"x"),
    "confidence[1] cannot be read": flip,
    "its content cannot be read": cut,
    "has the HDF5 format 0": default_format,
    "has schema version 7": lambda p: edit(p, lambda f: f.attrs.modify("schema_version", 7)),
    "lacks the dataset confidence": lambda p: edit(p, lambda f: f.__delitem__("confidence")),
    "label[0] of image": lambda p: edit(p, lambda f: f["label"].__setitem__((0, 0, 0), 77)),
    "color[1] of image": lambda p: edit(p, lambda f: f["color"].__setitem__((1, 0, 0), 9)),
    "has the teacher": lambda p: edit(p, lambda f: f.attrs.modify("teacher", "ab" * 32)),
    "is not a shard of pseudo labels": lambda p: edit(p, lambda f: f.attrs.modify("classes", "road")),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_a_damaged_shard_is_named_and_the_others_are_summarised(run, capsys, message):
    path = shard(run)
    DAMAGES[message](path)
    assert main(["shards", str(run)]) == 1
    out, err = capsys.readouterr()
    assert f"{path}: " in err and message in err and "Traceback" not in err
    assert "lbt, seed 0, round 1: 2 images" in out and "lbt, seed 0, round 2: 5 images" in out
    assert "problem(s), see below" in out


def test_a_round_without_probabilities_is_summarised_and_says_so(run, capsys, tmp_path):
    """They are removed with the weights of their round."""
    for path in run.rglob("round-1/pseudo_labels/probability-*.h5"):
        path.unlink()
    assert main(["shards", str(run), "--gallery", str(tmp_path / "g.html"), "--png", str(tmp_path / "png")]) == 0
    out = capsys.readouterr().out
    listed = [line for line in out.splitlines() if ".h5" in line]
    assert ["removed" in line for line in listed] == [True, True, False, False]
    assert "against round 1, 5 images" in out


def test_damaged_probabilities_are_named_with_their_shard(run, capsys):
    path = shard(run).with_name("probability-000.h5")
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        content[file["probability"].id.get_chunk_info(1).byte_offset + 3] ^= 0xFF
    path.write_bytes(content)
    assert main(["shards", str(run)]) == 1
    assert f"{path}: its content differs from the digest" in capsys.readouterr().err
    update_digest(path)
    assert main(["shards", str(run)]) == 1
    assert f"{path}: probability[1] cannot be read" in capsys.readouterr().err


def test_probabilities_are_no_shard(run, capsys):
    assert main(["shards", str(shard(run).with_name("probability-000.h5"))]) == 1
    assert "probability-000.h5: holds the probabilities of a shard. Name the shard" in capsys.readouterr().err


def test_missing_repeated_and_foreign_shards_are_named(run, capsys):
    shard(run, 1, 1).unlink()
    assert main(["shards", str(run)]) == 1
    assert "lacks 2 of 5 images" in capsys.readouterr().err
    for kind in ("shard", "probability"):
        folder = shard(run, 1, 0).parent
        shutil.copy(folder / f"{kind}-000.h5", folder / f"{kind}-001.h5")
    shard(run, 1, 1).with_name(".manifest-001.json").unlink()
    shutil.copy(shard(run, 2, 1), shard(run, 1, 2))
    assert main(["shards", str(run)]) == 1
    message = capsys.readouterr().err
    assert "(and 2 more) is labelled twice" in message and "shard-002.h5: has round 2, shard-000.h5 has 1" in message


@pytest.mark.parametrize("place", ["nowhere", "data"])
def test_a_place_without_shards_is_named(run, capsys, place):
    assert main(["shards", str(run / place)]) == 1
    message = capsys.readouterr().err
    assert str(run / place) in message and "results/default" in message


@pytest.mark.parametrize("option", ["--csv", "--gallery"])
def test_a_folder_in_the_place_of_a_file_is_named_before_shards_are_read(run, capsys, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path, ""):
        assert main(["shards", str(run), option, str(place)]) == 1
        captured = capsys.readouterr()
        assert f"{option}: {place or '.'} is a folder. Name the file to write" in captured.err and not captured.out


def test_overlays_are_named_by_image_and_blend_its_label(labelled, run, tmp_path, capsys):
    place = ["shards", str(run / "search/lbt/seed-0/round-2"), "--png", str(tmp_path / "png")]
    assert main(place) == 0
    folder = tmp_path / "png" / "lbt-seed-0-round-2"
    assert {path.stem for path in folder.iterdir()} == {*labelled.predictions[2], "legend"}
    sample = labelled.images[0]
    image = np.array(Image.open(Path(labelled.settings.data.root) / sample.image)).astype(int)
    color = np.array(labelled.classes.colors)[labelled.predictions[2][sample.id].label]
    found = np.array(Image.open(folder / f"{sample.id}.png")).astype(int)
    assert np.abs(found - (image + color) / 2).max() <= 1

    root = shutil.copytree(labelled.settings.data.root, tmp_path / "scenes")
    Image.new("RGB", (5, 4)).save(root / sample.image)
    assert main([*place, "--root", str(root)]) == 1
    out, err = capsys.readouterr()
    assert "is 5 x 4 pixels (width x height), its label 97 x 61" in err
    assert "is not the scene that its settings generate" in err and "true labels of 4 images" in out
    shutil.rmtree(root / "leftImg8bit")
    assert main([*place, "--root", str(root)]) == 1
    assert "is missing" in capsys.readouterr().err


def test_without_a_manifest_shards_are_summarised_but_have_no_images(run, capsys, tmp_path):
    folder = shutil.copytree(run / "search/lbt/seed-0/round-1/pseudo_labels", tmp_path / "elsewhere")
    for path in folder.glob("*.json"):
        path.unlink()
    assert main(["shards", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "no manifest lists it" in out and "round 1: 5 images" in out and "true labels" not in out.split("share:")[0]
    assert main(["shards", str(folder), "--png", str(tmp_path / "png")]) == 1
    assert "has no manifest of its shards" in capsys.readouterr().err
