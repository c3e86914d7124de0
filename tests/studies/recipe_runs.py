"""The runs of the study of recipes: the seconds of a step of each arm, then retraining and scores at equal time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from recipe_arms import ARMS, AUGMENTED, SPEEDS
from recipe_data import DataSet
from recipe_supernet import train_supernet
from stage_calls import call_stage

from lbt.config import EvaluationSettings
from lbt.config.retrain import BALANCED_LOSSES
from lbt.data.splits import TRAINING_ROLES
from lbt.files import read_json, write_json
from lbt.runtime.resume import Resume

MEASURED_STEPS = 8
"""Of each of the two measurements of an arm's seconds; the first step of each does not count."""


class Clock(Resume):
    """Notes the processor time after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def steps(self, *arguments: Any) -> Iterator[Any]:
        """See `Resume.steps`."""
        for item in super().steps(*arguments):
            yield item
            self.times.append(time.process_time())

    def step_seconds(self) -> list[float]:
        """Seconds of all steps but the first, with loading."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


def retrain(data: DataSet, arm: str, seed: int, steps: int, folder: Path, clock: Resume | None = None) -> None:
    """Retrain with an arm's settings for a number of steps."""
    settings, chosen = data.settings, data.retrain(arm)
    images = data.split.read_text().count(f",{TRAINING_ROLES[0]}\n")
    genotype, supernet, widest = (data.folder / name for name in ("genotype.json", "supernet.pt", "widest.pt"))
    inherits, distils = chosen.initial == "supernet", arm == "distilled"
    if inherits and not widest.exists():
        train_supernet(settings, data.split, genotype, supernet, widest)
    folder.mkdir(parents=True, exist_ok=True)
    call_stage(
        "retrain",
        settings,
        augmentation=settings.augmentation.model_copy(update=AUGMENTED.get(arm, {})),
        retrain=chosen.model_copy(update={"epochs": steps * chosen.batch_size / images}),
        seed=seed,
        method="random",
        resume=clock,
        split=data.split,
        genotype=genotype,
        supernet=supernet if inherits else None,
        guide=widest if distils else None,
        class_pixels=data.folder / "class_pixels.csv" if chosen.loss in BALANCED_LOSSES else None,
        network=folder / "network.pt",
        metrics=folder / "metrics.csv",
        log=folder / "log.txt",
    )


def measure_steps(data: DataSet) -> dict[str, float]:
    """Processor seconds of a step of each arm; measured once, and kept."""
    path = data.folder / "step_seconds.json"
    kept = read_json(path) if path.exists() else {}
    found: dict[str, list[float]] = {arm: [] for arm in (*data.arms, *SPEEDS) if arm not in kept}
    for arm in [*found, *reversed(found)]:  # so that a change of the machine's speed meets all
        clock = Clock()
        retrain(data, arm, 0, MEASURED_STEPS, data.folder / "measured", clock)
        found[arm] += clock.step_seconds()
    if found:
        kept |= {arm: median(times) for arm, times in found.items()}
        write_json(path, kept)
    return kept


def run_arm(data: DataSet, arm: str, seed: int, step_seconds: Mapping[str, float]) -> None:
    """Retrain and score, and keep what the table needs; nothing if it is kept already."""
    folder = data.folder / "runs" / f"{list(ARMS).index(arm):02d}-seed-{seed}"
    if (folder / "result.json").exists():
        return
    steps, started = max(2, round(data.seconds / step_seconds[arm])), time.process_time()
    retrain(data, arm, seed, steps, folder)
    seconds = time.process_time() - started
    call_stage(
        "evaluate_network",
        data.settings,
        evaluation=EvaluationSettings(pictures=0, batch_size=8),
        split=data.split,
        network=folder / "network.pt",
        scores=folder / "scores.json",
        images=folder / "images.csv",
        pictures=folder / "pictures",
        predictions=folder / "predictions",
    )
    scores = read_json(folder / "scores.json")
    found = {"data": data.name, "arm": arm, "seed": seed, "steps": steps, "seconds": seconds}
    write_json(folder / "result.json", found | {"miou": scores["miou"], "iou": scores["iou"]})
    print(json.dumps(found | {"miou": scores["miou"]}), flush=True)
