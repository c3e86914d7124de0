"""Survey a round of shards for people: its files, their problems, and pixel counts over the good ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from lbt.data.sample import Sample
from lbt.data.splits import read_split
from lbt.errors import LbtError
from lbt.pseudo_labels.check import check_file, check_origin, check_probabilities, check_round
from lbt.pseudo_labels.find import find_other_round, find_shards
from lbt.pseudo_labels.origin import Origin, read_origin
from lbt.pseudo_labels.read import LabelledImages, ShardHead, read_head
from lbt.pseudo_labels.statistics import Counts, count_image
from lbt.pseudo_labels.true_labels import TrueLabels


@dataclass(frozen=True)
class Survey:
    """The shards of a round.

    Attributes:
        folder: the folder of the shards.
        files: the shards, in order.
        heads: the headers of the good shards.
        problems: the problems of each file, and under `folder` those between the good files.
        origin: the origin, from a manifest beside the shards; None without one.
    """

    folder: Path
    files: tuple[Path, ...]
    heads: Mapping[Path, ShardHead]
    problems: Mapping[Path, Sequence[str]]
    origin: Origin | None

    @property
    def head(self) -> ShardHead:
        """The header of the first good shard, of which there must be one."""
        return next(iter(self.heads.values()))

    def require_origin(self) -> Origin:
        """The split and the data set of the shards.

        Raises:
            LbtError: no manifest names them.
        """
        if self.origin is None:
            raise LbtError(
                f"{self.folder}: has no manifest of its shards, so the place of their images is unknown. Name the "
                "folder in which the run wrote them."
            )
        return self.origin

    def samples(self) -> dict[str, Sample]:
        """The unlabelled images of the split by identifier.

        Raises:
            LbtError: no manifest names the data set, or the split is missing.
        """
        return {sample.id: sample for sample in read_split(self.require_origin().split, "unlabeled")}


def survey_round(folder: Path, files: Iterable[Path], root: Path | None = None) -> Survey:
    """Read and check all shards of a round.

    Args:
        folder: the folder of the shards.
        files: the shards; missing images are reported only if these are all shards of the folder.
        root: the folder of the data set, if it has moved since the run.
    """
    files = tuple(files)
    heads: dict[Path, ShardHead] = {}
    problems: dict[Path, Sequence[str]] = {}
    origins: list[Origin] = []
    for path in files:
        problems[path] = check_file(path)
        if not problems[path]:
            head, origin = read_head(path), read_origin(path, root)
            if origin is not None:
                origins.append(origin)
                problems[path] = check_origin(path, head, origin)
        if not problems[path]:
            problems[path] = check_probabilities(path)
        if not problems[path]:
            heads[path] = head
    first = origins[0] if origins else None
    if heads:
        whole = set(files) == find_shards(folder) and len(heads) == len(files)
        problems[folder] = check_round(folder, heads, _expected(first) if whole else None)
    return Survey(folder, files, heads, problems, first)


def _expected(origin: Origin | None) -> list[str] | None:
    from lbt.pseudo_labels.dataset import images_to_label

    if origin is None or not origin.split.is_file():
        return None
    return [sample.id for sample in images_to_label(origin.split, origin.ratio)]


def previous_heads(survey: Survey, surveys: Iterable[Survey]) -> Mapping[Path, ShardHead]:
    """The headers of the previous round's good shards, if these lie beside the round and have its search and classes.

    Args:
        survey: a round with a good shard.
        surveys: rounds that were read already; another round is read here.
    """
    folder = find_other_round(survey.folder, survey.head.identity.round - 1)
    if folder is None:
        return {}
    known = (
        other for other in surveys if other.folder.resolve() == folder and set(other.files) == find_shards(other.folder)
    )
    previous = next(known, None) or survey_round(folder, sorted(find_shards(folder)))
    if not previous.heads or (previous.head.search, previous.head.classes) != (survey.head.search, survey.head.classes):
        return {}
    return previous.heads


def count_round(
    survey: Survey, previous: Mapping[Path, ShardHead], truth: TrueLabels | None
) -> tuple[Counts, list[str]]:
    """Pixel counts over the images of the good shards, compared with the previous round and with true labels.

    Args:
        survey: a round with a good shard.
        previous: the good shards of the previous round, see `previous_heads`.
        truth: true labels, or None for none.

    Returns:
        The counts, and the problems of true labels; an image with such a problem counts as one without a true label.

    Raises:
        LbtError: the split is missing or damaged.
    """
    samples = survey.samples() if truth is not None else {}
    classes = len(survey.head.classes)
    counts, problems = [], []
    with LabelledImages(survey.heads) as now, LabelledImages(previous) as earlier:
        for image_id in now:
            label, confidence = now.read(image_id)
            before = earlier.read(image_id) if image_id in earlier else None
            true = None
            if truth is not None and image_id in samples:
                try:
                    true = truth.find(samples[image_id], label.shape)
                except LbtError as error:
                    problems.append(str(error))
            counts.append(count_image(label, confidence, classes, before, true))
    return reduce(add, counts), problems
