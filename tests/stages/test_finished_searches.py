"""The second-last round of a finished search goes only once its last round cannot be lost any more."""

import shutil

import pytest

from lbt.config.read import parse_settings
from lbt.provenance.manifest import verify_inputs, write_manifest
from lbt.stages.finished_searches import drop_second_last_rounds

WEIGHTS, STATE = "checkpoint.pt", "training_state.pt"


def settings_of(rounds, keep_every):
    search = {"rounds": rounds, "keep_every": keep_every, "random_match": "none"}
    return parse_settings({"run": "a", "methods": ["lbt"], "seeds": [3], "search": search}, "a.yaml")


def write_search(run, rounds, first=1):
    """The files of the rounds from `first` on."""
    for round in range(first, rounds + 1):
        folder = run / "search" / "lbt" / "seed-3" / f"round-{round}"
        (folder / "pseudo_labels").mkdir(parents=True, exist_ok=True)
        files = [folder / name for name in (WEIGHTS, STATE, "architecture.json")]
        for file in [
            *files,
            folder / "pseudo_labels" / "probability-000.h5",
            folder / "pseudo_labels" / "shard-000.h5",
        ]:
            file.write_text(f"{round} {rounds}")
        write_manifest(folder / ".manifest.json", stage="round", settings={}, code="c0de", inputs={}, outputs=files)


def score(run, rounds):
    """The manifest of the scores of a search with so many rounds."""
    place = run / "evaluate" / "lbt" / "seed-3"
    place.mkdir(parents=True, exist_ok=True)
    read = verify_inputs([run / "search" / "lbt" / "seed-3" / f"round-{rounds}" / WEIGHTS])
    write_manifest(
        place / ".manifest-supernet.json", stage="evaluate_supernet", settings={}, code="c0de", inputs=read, outputs=[]
    )


def rounds_with(run, name):
    return sorted(
        int(path.parts[-1 - name.count("/") - 1].removeprefix("round-")) for path in run.rglob(f"round-*/{name}")
    )


@pytest.mark.parametrize(("keep_every", "weights"), [(10, [3]), (2, [2, 3]), (1, [2, 3])])
def test_of_a_finished_search_the_last_round_stays_and_those_that_the_setting_keeps(tmp_path, keep_every, weights):
    write_search(tmp_path, 3, first=2)
    score(tmp_path, 3)
    drop_second_last_rounds(settings_of(3, keep_every), tmp_path)
    assert rounds_with(tmp_path, WEIGHTS) == weights
    assert rounds_with(tmp_path, "pseudo_labels/probability-000.h5") == weights
    assert rounds_with(tmp_path, STATE) == [3]
    assert rounds_with(tmp_path, "architecture.json") == rounds_with(tmp_path, "pseudo_labels/shard-000.h5") == [2, 3]


def unscored(run):
    shutil.rmtree(run / "evaluate")


def last_round_at_work(run):
    (run / "search" / "lbt" / "seed-3" / "round-2" / ".manifest.json").unlink()


def last_round_made_again(run):
    """It may be lost, because nothing has read it since."""
    write_search(run, 3)
    for place in run.rglob("round-3"):
        shutil.rmtree(place)


def last_weights_lost(run):
    (run / "search" / "lbt" / "seed-3" / "round-2" / WEIGHTS).unlink()


@pytest.mark.parametrize("change", [unscored, last_round_at_work, last_round_made_again, last_weights_lost])
def test_nothing_goes_while_the_last_round_may_have_to_be_repeated(tmp_path, change):
    write_search(tmp_path, 2)
    score(tmp_path, 2)
    change(tmp_path)
    drop_second_last_rounds(settings_of(2, 10), tmp_path)
    assert 1 in rounds_with(tmp_path, WEIGHTS) and 1 in rounds_with(tmp_path, STATE)


def test_one_more_round_continues_from_the_last_one(tmp_path):
    """While the new round is at work, the scores are those of the previous one, which stays."""
    write_search(tmp_path, 2)
    score(tmp_path, 2)
    drop_second_last_rounds(settings_of(2, 10), tmp_path)
    drop_second_last_rounds(settings_of(3, 10), tmp_path)
    assert rounds_with(tmp_path, WEIGHTS) == rounds_with(tmp_path, STATE) == [2]


def test_a_search_of_one_round_loses_nothing(tmp_path):
    write_search(tmp_path, 1)
    score(tmp_path, 1)
    drop_second_last_rounds(settings_of(1, 10), tmp_path)
    assert rounds_with(tmp_path, WEIGHTS) == rounds_with(tmp_path, STATE) == [1]
