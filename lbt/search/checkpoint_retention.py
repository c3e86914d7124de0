"""Which rounds keep which files: at full scale a round has gigabytes, most of which nothing reads again.

A round needs checkpoint and training state of the previous round, so a search at work keeps everything of its last two
rounds: a killed round is repeated from the one before it. Of an older round the training state goes. If
`search.keep_every` does not divide its number, its checkpoint goes too, with the probabilities from which its student
learned. Once another stage has read the last round, that round cannot be lost any more, and the round before it becomes
an old one; see `lbt.stages.finished_searches`. The architecture, the metrics, the labels and the confidences of every
round always stay.

Each file is removed whole, and only after a newer round has finished its steps. So a kill at any moment leaves whole
files, from which the search continues, and the repeated round removes what is left.
"""

from __future__ import annotations

from pathlib import Path


def keeps_weights(round: int, rounds: int, keep_every: int, *, at_work: bool) -> bool:
    """Whether a search at work, or a finished one, has the weights of `round` (from 1) after `rounds` rounds."""
    return round > rounds - (2 if at_work else 1) or round % keep_every == 0


def drop_old_files(checkpoint: Path, state: Path, round: int, keep_every: int) -> None:
    """Once the steps of `round` are done, remove what is no longer kept of older rounds.

    Args:
        checkpoint: the checkpoint that the round is about to write, in its own folder.
        state: its training state, beside it.
        round: its number.
        keep_every: see `search.keep_every`.
    """
    old, folder = round - 2, checkpoint.parent
    named = folder.name == f"round-{round}"  # elsewhere than in a run's folders, nothing is known of older rounds
    if not named or old < 1:
        return
    drop_files(folder.with_name(f"round-{old}"), checkpoint.name, state.name, weights=old % keep_every != 0)


def drop_files(folder: Path, checkpoint: str, state: str, *, weights: bool) -> None:
    """Remove the training state of the round in `folder`, and if asked for its weights and probabilities."""
    (folder / state).unlink(missing_ok=True)
    if weights:
        (folder / checkpoint).unlink(missing_ok=True)
        for probabilities in folder.glob("pseudo_labels/probability-*.h5"):
            probabilities.unlink(missing_ok=True)
