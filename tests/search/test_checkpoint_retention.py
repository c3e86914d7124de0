"""Which files a search keeps of its rounds, whenever it is killed."""

from pathlib import Path

import pytest

from lbt.search.checkpoint_retention import drop_old_files, keeps_weights

NAMES = ("checkpoint.pt", "training_state.pt")


def label(folder, round):
    labels = folder / f"round-{round}" / "pseudo_labels"
    labels.mkdir(parents=True, exist_ok=True)
    for shard in range(2):
        for kind in ("shard", "probability"):
            (labels / f"{kind}-00{shard}.h5").write_text(str(round))


def search_until(folder, first, last, keep_every):
    """Write and remove the files of the rounds `first` to `last`."""
    for round in range(first, last + 1):
        label(folder, round)
        checkpoint, state = (folder / f"round-{round}" / name for name in NAMES)
        drop_old_files(checkpoint, state, round, keep_every)
        for path in (state, checkpoint, checkpoint.with_name("architecture.json")):
            path.write_text(str(round))


def kept_rounds(rounds, keep_every):
    return [round for round in range(1, rounds + 1) if keeps_weights(round, rounds, keep_every, at_work=True)]


def present(folder, pattern="checkpoint.pt"):
    return sorted({int(path.parts[len(folder.parts)].removeprefix("round-")) for path in folder.glob(f"*/{pattern}")})


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
    assert present(tmp_path, "pseudo_labels/probability-*.h5") == expected
    assert present(tmp_path, "training_state.pt") == list(range(max(1, rounds - 1), rounds + 1))
    assert len(list(tmp_path.glob("*/architecture.json"))) == rounds
    assert len(list(tmp_path.glob("*/pseudo_labels/shard-*.h5"))) == 2 * rounds


def test_a_search_that_continues_ends_with_the_files_of_an_uninterrupted_one(tmp_path):
    search_until(tmp_path, 1, 7, 4)
    assert present(tmp_path) == [4, 6, 7]
    search_until(tmp_path, 8, 11, 4)
    assert present(tmp_path) == [4, 8, 10, 11] == kept_rounds(11, 4)


def test_nothing_is_removed_outside_a_runs_folders(tmp_path):
    for name in ("round-1", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "checkpoint.pt").write_text("")
    drop_old_files(*(tmp_path / "other" / name for name in NAMES), 3, 10)
    assert (tmp_path / "round-1" / "checkpoint.pt").exists()


def test_a_kill_at_any_removal_is_made_good_by_the_repeated_round(tmp_path, monkeypatch):
    """The repeated round finds the previous one whole, and ends with the files of an undisturbed search."""
    search_until(tmp_path / "whole", 1, 7, 4)
    whole = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*"))
    unlink, left = Path.unlink, []

    def killed(path, missing_ok=False):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        unlink(path, missing_ok=missing_ok)

    for before in range(4):
        folder = tmp_path / str(before)
        search_until(folder, 1, 6, 4)
        monkeypatch.setattr(Path, "unlink", killed)
        left[:] = [None] * before
        with pytest.raises(KeyboardInterrupt):
            search_until(folder, 7, 7, 4)
        monkeypatch.setattr(Path, "unlink", unlink)
        assert all((folder / "round-6" / name).read_text() == "6" for name in NAMES)
        search_until(folder, 7, 7, 4)
        assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == whole
