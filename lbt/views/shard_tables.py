"""Tables of shards: the files with their checks, and a summary of each round by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lbt.errors import visible
from lbt.pseudo_labels.find import probabilities_of
from lbt.pseudo_labels.read import ShardHead
from lbt.pseudo_labels.statistics import Counts, mean_confidence, quantile, shares
from lbt.pseudo_labels.survey import Survey

QUANTILES = {"confidence_q05": 0.05, "confidence_q50": 0.5, "confidence_q95": 0.95}
ALL = "all"
"""Name of the row that summarises all classes."""
TITLES = {
    "class": "class",
    "share": "share %",
    "confidence": "confidence %",
    "confidence_q05": "5 %",
    "confidence_q50": "median",
    "confidence_q95": "95 %",
    "agreement": "agreement %",
    "iou": "IoU %",
    "changed": "changed %",
    "confidence_change": "confidence change",
}
LEGEND = (
    "share: part of the labelled pixels. confidence: largest probability, one for 8 x 8 pixels; mean and quantiles "
    "over pixels. probabilities: they are removed with the weights of a round (search.keep_every). agreement: part of "
    "the pixels with this label that truly are of this class. IoU: against the true labels (all: mean). changed: part "
    "of the pixels with this label that had another label in the previous round. confidence change: since the "
    "previous round, in points, mean over the pixels with this label. A blank cell: no such pixel, no true label, or "
    "no previous round."
)


def list_files(surveys: Sequence[Survey], place: Path) -> pd.DataFrame:
    """A row per shard: name below `place`, round, method, seed, images, size, size of its probabilities, checks."""
    rows = []
    for survey in surveys:
        for path in survey.files:
            head, problems = survey.heads.get(path), survey.problems[path]
            identity = head.identity if head is not None else None
            soft = probabilities_of(path)
            good = "good" if survey.origin is not None else "good, but no manifest lists it"
            rows.append(
                {
                    "file": visible(path.name if path == place else path.relative_to(place)),
                    "method": identity.method if identity else "",
                    "seed": identity.seed if identity else "",
                    "round": identity.round if identity else "",
                    "images": len(head.image_ids) if head is not None else "",
                    "MB": f"{path.stat().st_size / 1e6:.1f}",
                    "probabilities": f"{soft.stat().st_size / 1e6:.1f} MB" if soft.exists() else "removed",
                    "checks": f"{len(problems)} problem(s), see below" if problems else good,
                }
            )
    return pd.DataFrame(rows)


def summarise_round(head: ShardHead, counts: Counts) -> pd.DataFrame:
    """A row for all classes and one per class; shares and confidences are in [0, 1], or NaN without a pixel."""
    iou = _intersection_over_union(counts)
    true_pixels = counts.confusion.sum(axis=0)
    rows = [
        {
            "class": ALL,
            "share": 1.0,
            **_summarise_confidence(counts.confidence.sum(axis=0)),
            "agreement": _divide(counts.confusion.trace(), true_pixels.sum()),
            "iou": float(np.nanmean(iou)) if true_pixels.sum() else np.nan,
            "changed": _divide(counts.changed.sum(), counts.compared.sum()),
            "confidence_change": _divide(counts.gained.sum(), counts.compared.sum()),
        }
    ]
    for index, (name, share) in enumerate(zip(head.classes, shares(counts), strict=True)):
        rows.append(
            {
                "class": name,
                "share": share,
                **_summarise_confidence(counts.confidence[index]),
                "agreement": _divide(counts.confusion[index, index], true_pixels[index]),
                "iou": iou[index],
                "changed": _divide(counts.changed[index], counts.compared[index]),
                "confidence_change": _divide(counts.gained[index], counts.compared[index]),
            }
        )
    identity = head.identity
    keys = pd.DataFrame([{"method": identity.method, "seed": identity.seed, "round": identity.round}] * len(rows))
    return pd.concat([keys, pd.DataFrame(rows)], axis=1)


def format_summary(table: pd.DataFrame) -> str:
    """The summary of one round as text: percent with one digit; columns without a value are left out."""
    shown = table[list(TITLES)].dropna(axis=1, how="all")
    text = pd.DataFrame({"class": shown["class"]})
    for name in shown.columns[1:]:
        sign = "+" if name == "confidence_change" else ""
        text[name] = ["" if pd.isna(value) else f"{100 * value:{sign}.1f}" for value in shown[name]]
    return text.rename(columns=TITLES).to_string(index=False)


def _summarise_confidence(histogram: np.ndarray) -> dict[str, float]:
    quantiles = {name: quantile(histogram, share) for name, share in QUANTILES.items()}
    return {"confidence": mean_confidence(histogram), **quantiles}


def _intersection_over_union(counts: Counts) -> np.ndarray:
    if not counts.images[2]:
        return np.full(len(counts.confusion), np.nan)
    import torch

    from lbt.evaluation.scores import intersection_over_union

    return intersection_over_union(torch.from_numpy(counts.confusion)).numpy()


def _divide(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan
