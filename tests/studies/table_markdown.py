"""The tables of the searches in Markdown. Brackets are 95 % intervals over the seeds, of Student's t."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from paired import MeanInterval, differences, estimate_mean, t_test, wilcoxon_two_sided
from table_figures import By, by_variant
from table_gradients import GRADIENTS
from table_searches import BASE, NONE
from table_surrogate import Surrogate

from lbt.errors import LbtError
from lbt.tabular.table import Table

TESTED = "lbt-best"
MOST_STOPPED = 2
"""With more pairs left out, the plan has no primary test."""
Rows = Sequence[Mapping[str, Any]]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show(found: MeanInterval, digits: int = 2, *, sign: bool = False) -> str:
    """A mean and its interval, `1.23 [1.00, 1.46]`; a dash without a value."""
    if not found.count:
        return "–"
    mean, low, high = (f"{value:{'+' if sign else ''}.{digits}f}" for value in found[1:])
    return mean if math.isnan(found.low) else f"{mean} [{low}, {high}]"


def describe_table(table: Table, part: str, surrogate: Surrogate | None) -> str:
    """What the table holds, its spread, its reliability, and how the networks that it lacks are predicted."""
    scores, reliability = 100 * table.scores(part), table.reliability(part)
    known = "is unknown" if math.isnan(reliability) else f"is {reliability:.3f}"
    text = (
        f"The table has {len(scores)} networks, trained with {table.frame['seed'].nunique()} seeds each. Of mIoU on "
        f"{part}, the mean is {scores.mean():.2f} %, the standard deviation {scores.std():.2f} points, the worst "
        f"{scores.min():.2f} % and the best {scores.max():.2f} %. The split-half reliability of these means {known}. "
    )
    if surrogate is not None:
        found = [f"{c:.3f} on {name}" for name, c in surrogate.correlations.items() if name != "all"]
        text += (
            f"A ridge regression on it predicts all {len(surrogate.table.frame)} networks of the space. V(A) and its "
            "gradient, scores and percentiles of derived networks, and tau of A use the predictions. Of networks that "
            f"a model had not seen, their correlation with the scores is {', '.join(found)}. "
        )
    return text + "Brackets are 95 % intervals over the search seeds."


def primary_test(rows: Rows, part: str, stopped: Sequence[int]) -> str:
    """The one test of the plan: the paired t-test of V(lbt-best) - V(fasterseg).

    Args:
        rows: of the searches.
        part: of the held-out images.
        stopped: seeds whose search by one of the variants stopped by itself; their pairs do not count.

    Raises:
        LbtError: more than two pairs are left out, or fewer than two remain.
    """
    if len(set(stopped)) > MOST_STOPPED:
        raise LbtError(f"--stopped: {len(set(stopped))} pairs are left out. The plan then has no primary test.")
    found = by_variant(rows, f"value_{part}")
    both = [{s: v for s, v in found.get(name, {}).items() if s not in stopped} for name in (TESTED, BASE)]
    pairs = differences(*both)
    if len(pairs) < 2:
        raise LbtError(f"--final: only {len(pairs)} seeds are complete for both {TESTED} and {BASE}.")
    odd = sorted(set(both[0]) ^ set(both[1]))
    text = (
        f"**Primary test.** V({TESTED}) - V({BASE}) on {part}: {show(estimate_mean(pairs), 3, sign=True)} points, "
        f"{len(pairs)} pairs, paired t-test, two-sided: p = {t_test(pairs):.3g}. Exploratory: Wilcoxon's signed-rank "
        f"test of the same pairs, p = {wilcoxon_two_sided(pairs):.3g}."
    )
    text += f" Left out because a search stopped by itself: seeds {_list(stopped)}." if stopped else ""
    return text + (f" Complete for one of both only: seeds {_list(odd)}." if odd else "")


def values(rows: Rows, part: str) -> str:
    """V(A) by variant, with the paired differences from `fasterseg` and from `none`."""
    found = by_variant(rows, f"value_{part}")
    lines = [
        [
            name,
            str(len(own)),
            show(estimate_mean(list(own.values()))),
            *(_against(found, name, b) for b in (BASE, NONE)),
        ]
        for name, own in found.items()
    ]
    header = ("variant", "seeds", "V(A), %", f"minus {BASE}, points", f"minus {NONE}, points")
    return f"**V(A) on {part}**\n\n{markdown(header, lines)}"


def derived(rows: Rows) -> str:
    """Score and percentile of the derived networks."""
    scores, percentiles = by_variant(rows, "derived"), by_variant(rows, "percentile")
    lines = [
        [
            name,
            str(len(own)),
            show(estimate_mean(list(own.values()))),
            _against(scores, name, BASE),
            show(estimate_mean(list(percentiles[name].values())), 1),
        ]
        for name, own in scores.items()
    ]
    header = ("variant", "seeds", "mIoU, %", f"minus {BASE}, points", "percentile in the table")
    return f"**Derived networks**\n\n{markdown(header, lines)}"


def ranks(rows: Rows, networks: Mapping[str, tuple[float, float]]) -> str:
    """Tau of A and of the supernets; `networks` has the intervals of the latter over the networks."""
    of_a, of_supernet = by_variant(rows, "tau_architecture"), by_variant(rows, "tau_supernet")
    lines = []
    for name, own in of_a.items():
        scored = of_supernet.get(name, {})
        low, high = networks.get(name, (math.nan, math.nan))
        interval = "–" if math.isnan(low) else f"[{low:.2f}, {high:.2f}]"
        taus = [show(estimate_mean(list(v.values()))) for v in (own, scored)]
        lines.append([name, str(len(own)), taus[0], str(len(scored)), taus[1], interval])
    header = ("variant", "seeds", "tau-b of log p_A", "supernets", "tau-b of the supernet", "over networks")
    return (
        f"**Kendall's tau-b with the table**\n\n{markdown(header, lines)}\n\nA supernet scores at most 64 networks, "
        "the same ones for all. The last column is the bootstrap interval of its mean tau over these networks."
    )


def gradients(rows: Rows) -> str:
    """Cosines with dV/dA, and how much nearer each gradient is to it than the teacher's."""
    lines = []
    for logits in ("all", "deciding"):
        own = [{"variant": row["gradient"], **row} for row in rows if row["logits"] == logits]
        cosines, snr2 = by_variant(own, "cosine"), by_variant(own, "snr2")
        for name in GRADIENTS:
            nearer = (
                "–"
                if name == "teacher"
                else show(estimate_mean(differences(cosines[name], cosines["teacher"])), sign=True)
            )
            signal = show(estimate_mean(list(snr2[name].values())), 3)
            lines.append(
                [
                    f"{name}, {logits}",
                    str(len(cosines[name])),
                    show(estimate_mean(list(cosines[name].values()))),
                    nearer,
                    signal,
                ]
            )
    header = ("gradient, logits", "seeds", "cosine with dV/dA", "minus the teacher's", "SNR² of a step")
    return (
        f"**Gradients at the first architecture**\n\n{markdown(header, lines)}\n\nNegative gradients, means over fresh "
        "batches at fixed weights, without the shift that the softmax ignores. `deciding` are the logits on which V "
        "depends. Noise of a mean brings its cosine nearer to 0."
    )


def ratios(rows: Rows, part: str) -> str:
    """V(A) by ratio, with the paired differences from the ratio 1."""
    found = by_variant(rows, f"value_{part}")
    lines = [
        [
            name.removeprefix("ratio-"),
            str(len(own)),
            show(estimate_mean(list(own.values()))),
            _against(found, name, "ratio-1"),
        ]
        for name, own in found.items()
    ]
    header = ("\\|D_pl\\| : \\|D_s^tr\\|", "seeds", "V(A), %", "minus ratio 1, points")
    return f"**Ratio study, V(A) on {part}**\n\n{markdown(header, lines)}"


def _against(found: By, name: str, base: str) -> str:
    """The mean paired difference from another variant; a dash for that variant itself."""
    return "–" if name == base else show(estimate_mean(differences(found[name], found.get(base, {}))), sign=True)


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(set(seeds))))
