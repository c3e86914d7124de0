"""The first page of a run's report: the page of the run, its data, methods and budget, and its limits."""

from __future__ import annotations

import re
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from lbt.config import METHODS, Settings
from lbt.errors import visible
from lbt.views.results import CONTROLS, mark_role

_LONGEST = 8000
"""Characters of a line. docutils refuses lines above 10,000; only pictures are longer, and a browser joins them."""


def collect_facts(settings: Settings, page: Path | None = None) -> dict[str, Any]:
    """Texts for `workflow/report/workflow.rst`.

    Args:
        settings: of the run.
        page: the page of the run, see `lbt.views.index`; the report shows it if it exists.
    """
    warmup, search, retrain = settings.warmup, settings.search, settings.retrain
    taught = any(METHODS[method].has_student for method in settings.methods)
    student = f" (of the student {search.student.warmup_epochs:g})" if taught else ""
    budget = (
        f"epochs of the warm-up {warmup.epochs:g}{student}, of the search {search.rounds} x {search.epochs:g}, of the "
        f"retraining {retrain.epochs:g}; images per step {warmup.batch_size}, {search.batch_size} and "
        f"{retrain.batch_size}"
    )
    names = [name + mark_role(name) for name in settings.methods_and_baselines]
    return {
        "run": settings.run,
        "data": _describe_data(settings),
        "methods": ", ".join(names),
        "seeds": ", ".join(map(str, settings.seeds)),
        "budget": budget,
        "caveats": list(_list_caveats(settings)),
        "page": _frame(page) if page is not None else [],
    }


def _frame(page: Path) -> list[str]:
    """Lines of HTML that show a page inside another one; none if there is no page."""
    text = ""
    with suppress(OSError):
        text = page.read_text(encoding="utf-8", errors="replace")
    pieces = [line[start : start + _LONGEST] for line in text.splitlines() for start in range(0, len(line), _LONGEST)]
    if not pieces:
        return []
    return [
        '<iframe class="run" title="The page of the run" sandbox="allow-scripts" srcdoc="',
        *map(escape, pieces),
        '"></iframe>',
    ]


def _describe_data(settings: Settings) -> str:
    scenes = settings.scenes
    if scenes is not None:
        return (
            f"synthetic street scenes: {scenes.train} to train, {scenes.val} to validate, {scenes.test} "
            f"without labels, {scenes.height} x {scenes.width} pixels (height x width)"
        )
    return f"{_escape(settings.data.root)} ({settings.data.layout} layout)"


def _escape(text: str) -> str:
    """A text that reStructuredText shows as it is, in one line."""
    return re.sub(r"[!-/:-@\[-`{-~]", r"\\\g<0>", visible(text))


def _list_caveats(settings: Settings) -> list[str]:
    seeds = len(settings.seeds)
    found = [
        "One seed: a difference between methods may be chance, so this run cannot show that one is better."
        if seeds == 1
        else f"Means and standard deviations are over {seeds} seeds. A difference within them may be chance."
    ]
    if set(CONTROLS) & set(settings.methods):
        match = settings.search.random_match
        how = {"none": "of any latency", "window": "inside the window of frames per second"}
        found.append(
            "A search is worth its time if it beats the random architectures, which are "
            f"{how.get(match, f'near the predicted latency of those of {match}')}."
        )
    else:
        found.append("This run has no random control, so it cannot show whether the search helped.")
    if settings.scenes is not None:
        found.append(
            "The images are synthetic: the numbers show that the workflow works, and nothing about real streets."
        )
    found.append("All methods have the same budget. Numbers published with another budget are not comparable.")
    if settings.baselines:
        found.append("Baselines were not searched: they are trained as the networks of the methods are retrained.")
    found.append("Latency holds for the device and the versions that the latency table names only.")
    return found
