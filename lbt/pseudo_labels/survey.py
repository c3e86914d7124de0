"""A round of shards as a person meets it: its files, what is wrong with them, and the counts over the good ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from lbt.data.sample import Sample
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.pseudo_labels.check import check_file, check_origin, check_round
from lbt.pseudo_labels.find import round_beside
from lbt.pseudo_labels.origin import Origin, read_origin
from lbt.pseudo_labels.read import LabelledImages, ShardHead, read_head
from lbt.pseudo_labels.statistics import Counts, count_image
from lbt.pseudo_labels.true_labels import TrueLabels


@dataclass(frozen=True)
class Survey:
    """A round.

    Attributes:
        folder: of its shards.
        files: its shards, in order.
        heads: the good ones, with what they say of themselves.
        problems: what is wrong, by file; under `folder` what is wrong between the good files.
        origin: by a manifest beside the shards; None without one.
    """

    folder: Path
    files: tuple[Path, ...]
    heads: Mapping[Path, ShardHead]
    problems: Mapping[Path, Sequence[str]]
    origin: Origin | None

    @property
    def head(self) -> ShardHead | None:
        """The first good file's; None if there is none."""
        return next(iter(self.heads.values()), None)

    def samples(self) -> dict[str, Sample]:
        """The unlabelled images of the split by identifier.

        Raises:
            LbtError: no manifest says where the images are, or the split is missing.
        """
        if self.origin is None:
            raise LbtError(
                f"{self.folder}: has no manifest of its shards, so that it is unknown where their images are. "
                "Name the folder in which the run wrote them."
            )
        return {sample.id: sample for sample in read_split(self.origin.split, "unlabeled")}


def survey_round(folder: Path, files: Iterable[Path], root: Path | None = None) -> Survey:
    """Read and check all shards of a round.

    Args:
        folder: of the shards.
        files: the shards; images are only missed if these are all of the folder.
        root: the folder of the data set, if it is not where the run had it.
    """
    heads, problems, origins = {}, {}, {}
    for path in files:
        problems[path] = check_file(path)
        if not problems[path]:
            head, origin = read_head(path), read_origin(path, root)
            if origin is not None:
                origins[path] = origin
                problems[path] = check_origin(path, head, origin)
        if not problems[path]:
            heads[path] = head
    origin = next(iter(origins.values()), None)
    if heads:
        whole = set(problems) == _shards(folder) and len(heads) == len(problems)
        problems[folder] = check_round(folder, heads, _expected(origin) if whole else None)
    return Survey(folder, tuple(files), heads, problems, origin)


def _expected(origin: Origin | None) -> list[str] | None:
    from lbt.pseudo_labels.dataset import images_to_label

    if origin is None or not origin.split.is_file():
        return None
    return [sample.id for sample in images_to_label(origin.split, origin.ratio)]


def heads_before(survey: Survey, surveys: Iterable[Survey]) -> Mapping[Path, ShardHead]:
    """The good shards of the round before, if they lie beside this round and are of the same search and classes.

    Args:
        survey: a round with a good shard.
        surveys: rounds that were read already; another one is read here.
    """
    folder = round_beside(survey.folder, survey.head.identity.round - 1)
    if folder is None:
        return {}
    known = (
        other for other in surveys if other.folder.resolve() == folder and set(other.files) == _shards(other.folder)
    )
    before = next(known, None) or survey_round(folder, sorted(_shards(folder)))
    same = before.head is not None and (before.head.search, before.head.classes) == (
        survey.head.search,
        survey.head.classes,
    )
    return before.heads if same else {}


def _shards(folder: Path) -> set[Path]:
    return set(folder.glob("*.h5"))


def count_round(survey: Survey, before: Mapping[Path, ShardHead], truth: TrueLabels | None) -> tuple[Counts, list[str]]:
    """Counts over the images of the good shards, against the round before and the true labels where they exist.

    Args:
        survey: a round with a good shard.
        before: the good shards of the round before, see `heads_before`.
        truth: true labels, or None for none.

    Returns:
        The counts, and what is wrong with true labels: these images count as if they had none.

    Raises:
        LbtError: the split is missing or damaged.
    """
    samples = survey.samples() if truth is not None else {}
    classes = len(survey.head.classes)
    found, problems = [], []
    with LabelledImages(survey.heads) as now, LabelledImages(before) as previous:
        for image_id in now:
            label, confidence = now.read(image_id)
            earlier = previous.read(image_id) if image_id in previous else None
            try:
                true = truth.find(samples[image_id], label.shape) if image_id in samples else None
            except LbtError as error:
                problems.append(str(error))
                true = None
            found.append(count_image(label, confidence, classes, earlier, true))
    return reduce(add, found), problems
