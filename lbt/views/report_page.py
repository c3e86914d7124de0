"""What the first page of a run's report says: what was run, on what, with which budget, and what it cannot show."""

from __future__ import annotations

from typing import Any

from lbt.config import Settings
from lbt.views.results import CONTROLS


def collect_facts(settings: Settings) -> dict[str, Any]:
    """Texts for `workflow/report/workflow.rst`, from the settings alone."""
    warmup, search, retrain = settings.warmup, settings.search, settings.retrain
    budget = (
        f"epochs of the warm-up {warmup.epochs:g}, of the search {search.rounds} x {search.epochs:g}, of the "
        f"retraining {retrain.epochs:g}; images per step {warmup.batch_size}, {search.batch_size} and "
        f"{retrain.batch_size}"
    )
    names = [f"{name} (control)" if name in CONTROLS else name for name in settings.methods]
    return {
        "run": settings.run,
        "data": _describe_data(settings),
        "methods": ", ".join(names),
        "seeds": ", ".join(map(str, settings.seeds)),
        "budget": budget,
        "caveats": list(_list_caveats(settings)),
    }


def _describe_data(settings: Settings) -> str:
    scenes = settings.scenes
    if scenes is not None:
        return (
            f"street scenes drawn from a seed, {scenes.train} to train, {scenes.val} to validate, {scenes.test} "
            f"without labels, {scenes.height} x {scenes.width} pixels (height x width)"
        )
    return f"{settings.data.root} ({settings.data.layout} layout)"


def _list_caveats(settings: Settings) -> list[str]:
    seeds = len(settings.seeds)
    found = [
        "One seed: a difference between methods may be chance. This run supports no claim that one is better."
        if seeds == 1
        else f"Means and standard deviations are over {seeds} seeds; a difference within them may be chance."
    ]
    if "random" in settings.methods:
        match = settings.search.random_match
        how = {"none": "at any latency", "window": "inside the wanted window of frames per second"}
        found.append(
            "A search is worth its time where it beats the random architectures, which are drawn "
            f"{how.get(match, f'near the predicted latency of those of {match}')}."
        )
    else:
        found.append("There is no random control in this run: it cannot tell whether the search helped.")
    if settings.scenes is not None:
        found.append("The images are drawn: the numbers show that the workflow works and say nothing about streets.")
    found.append(
        "All methods have the same budget. It is this run's own: numbers published with another one are not comparable."
    )
    found.append("Latency holds for the device and the versions that the latency table names.")
    return found
