"""Rounds that keep their full weights."""

import pytest

from lbt.search.checkpoint_retention import drop_weights, keeps_weights


def search_until(folder, first, last, keep_every):
    """Write and remove the files of the rounds `first` to `last`."""
    for round in range(first, last + 1):
        checkpoint = folder / f"round-{round}" / "checkpoint.pt"
        checkpoint.parent.mkdir()
        checkpoint.write_text(str(round))
        (checkpoint.parent / "architecture.json").write_text("{}")
        drop_weights(checkpoint, round, keep_every)


def kept_rounds(rounds, keep_every):
    return [round for round in range(1, rounds + 1) if keeps_weights(round, rounds, keep_every)]


def present(folder):
    return sorted(int(path.parent.name.removeprefix("round-")) for path in folder.glob("*/checkpoint.pt"))


@pytest.mark.parametrize(
    ("rounds", "keep_every", "expected"),
    [
        (1, 10, [1]),
        (2, 10, [1, 2]),
        (3, 10, [2, 3]),
        (30, 10, [10, 20, 29, 30]),
        (12, 5, [5, 10, 11, 12]),
        (4, 1, [1, 2, 3, 4]),
    ],
)
def test_the_last_two_and_every_kth_round_keep_their_weights(tmp_path, rounds, keep_every, expected):
    search_until(tmp_path, 1, rounds, keep_every)
    assert present(tmp_path) == expected == kept_rounds(rounds, keep_every)
    assert len(list(tmp_path.glob("*/architecture.json"))) == rounds


def test_a_search_that_continues_ends_with_the_files_of_an_uninterrupted_one(tmp_path):
    search_until(tmp_path, 1, 7, 4)
    assert present(tmp_path) == [4, 6, 7]
    search_until(tmp_path, 8, 11, 4)
    assert present(tmp_path) == [4, 8, 10, 11] == kept_rounds(11, 4)


def test_nothing_is_removed_outside_a_runs_folders(tmp_path):
    for name in ("round-1", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.pt").write_text("")
    drop_weights(tmp_path / "other" / "checkpoint.pt", 3, 10)
    assert (tmp_path / "round-1" / "checkpoint.pt").exists()
