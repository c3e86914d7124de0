"""Tables of shards: a row per file with its checks, and the summary of a round as text."""

from dataclasses import replace

import numpy as np
import pytest

from lbt.pseudo_labels.origin import Origin
from lbt.pseudo_labels.read import ShardHead
from lbt.pseudo_labels.shard_format import ShardIdentity
from lbt.pseudo_labels.statistics import count_image
from lbt.pseudo_labels.survey import Survey
from lbt.views.shard_tables import format_summary, list_files, summarise_round

CLASSES = ("road", "car")
HEAD = ShardHead(ShardIdentity(2, "lbt", 5, "t", "c"), CLASSES, ((0, 0, 0),) * 2, ("a", "b", "c"))
LABEL = np.array([[0, 0, 0, 1]], np.uint8)
CONFIDENCE = np.array([[255, 204, 204, 51]], np.uint8)  # 1.0, 0.8, 0.8 and 0.2


@pytest.fixture
def survey(tmp_path, labelled):
    """One good shard of 1.5 MB and one that lacks its header and has no probabilities any more."""
    files = (tmp_path / "run" / "shard-000.h5", tmp_path / "run" / "shard-001.h5")
    files[0].parent.mkdir()
    files[0].write_bytes(bytes(1_500_000))
    files[1].write_bytes(bytes(40_000))
    files[0].with_name("probability-000.h5").write_bytes(bytes(300_000))
    problems = {files[0]: (), files[1]: ("is cut off", "has no digest")}
    origin = Origin(labelled.settings.data, tmp_path / "split.csv", "t", "c", None)
    return Survey(files[0].parent, files, {files[0]: HEAD}, problems, origin)


def test_each_file_has_its_place_search_size_and_checks(survey, tmp_path):
    good, bad = list_files([survey], tmp_path).to_dict("records")
    search = {"method": "lbt", "seed": 5, "round": 2, "images": 3}
    assert good == {"file": "run/shard-000.h5", **search, "MB": "1.5", "probabilities": "0.3 MB", "checks": "good"}
    nothing = dict.fromkeys(search, "")
    assert bad == {
        "file": "run/shard-001.h5",
        **nothing,
        "MB": "0.0",
        "probabilities": "removed",
        "checks": "2 problem(s), see below",
    }


def test_a_single_shard_has_its_name_and_a_shard_without_manifest_says_so(survey):
    alone = replace(survey, files=survey.files[:1], origin=None)
    (row,) = list_files([alone], survey.files[0]).to_dict("records")
    assert row["file"] == "shard-000.h5" and row["checks"] == "good, but no manifest lists it"


def test_the_summary_shows_percent_and_leaves_out_what_is_not_known():
    table = summarise_round(HEAD, count_image(LABEL, CONFIDENCE, 2))
    assert table[["method", "seed", "round"]].drop_duplicates().to_numpy().tolist() == [["lbt", 5, 2]]
    head, *rows = (line.split() for line in format_summary(table).splitlines())
    assert head == ["class", "share", "%", "confidence", "%", "5", "%", "median", "95", "%"]
    assert rows == [
        ["all", "100.0", "70.0", "20.0", "80.0", "100.0"],
        ["road", "75.0", "86.7", "80.0", "80.0", "100.0"],
        ["car", "25.0", "20.0", "20.0", "20.0", "20.0"],
    ]


def test_the_summary_compares_with_the_previous_round_and_the_true_labels():
    before = np.array([[0, 1, 0, 1]], np.uint8), np.array([[204, 204, 204, 102]], np.uint8)
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    table = summarise_round(HEAD, count_image(LABEL, CONFIDENCE, 2, before, truth))
    head, *rows = (line.split() for line in format_summary(table).splitlines())
    assert head[10:] == ["agreement", "%", "IoU", "%", "changed", "%", "confidence", "change"]
    # all: 3 of 4 pixels agree; IoU 2/3 and 1/2; 1 of 4 pixels changed; confidence +0.2 - 0.2 over 4 pixels
    assert rows[0][6:] == ["75.0", "58.3", "25.0", "+0.0"]
    assert rows[1][6:] == ["66.7", "66.7", "33.3", "+6.7"]
    assert rows[2][6:] == ["100.0", "50.0", "0.0", "-20.0"]
