"""Recipes of retraining at equal processor time: losses, optimisers, averaging and sizes, one change at a time.

One genotype, drawn at random, is retrained by the stage `retrain` with each recipe (an arm) and seed. Every arm gets
the steps that fit into the same processor time: the seconds of a step are measured first, for all arms in turn.
Training and scores use the official training images alone. Their last groups, such as the end of a video, are held
out for the scores.

There are two data sets: the synthetic scenes of config/config.yaml, and CamVid as in config/camvid-cpu.yaml at half its
resolution. Results are kept in FOLDER, from which an interrupted study resumes; `--table` only writes the table again.

    PYTHONPATH=tests python tests/studies/recipe.py FOLDER --camvid ROOT [--csv table.csv]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch
from PIL import Image
from recipe_supernet import train_supernet
from stage_calls import call_stage

from lbt.config import EvaluationSettings, RetrainSettings, Settings
from lbt.config.read import read_settings
from lbt.config.retrain import BALANCED_LOSSES
from lbt.data.classes import class_table
from lbt.data.layouts import list_samples
from lbt.data.sample import Sample
from lbt.data.splits import COLUMNS, TRAINING_ROLES
from lbt.files import read_json, write_json
from lbt.network.random_genotype import random_genotype
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.resume import Resume

ROOT = Path(__file__).resolve().parent.parent.parent
HELD_OUT = 0.2
"""Share of the groups of training images that is scored: one of the six stretches of a video, two of eight towns."""
MEASURED_STEPS = 8
"""Of each of the two measurements of an arm's seconds; the first step of each does not count."""

SGD = {"recipe": "released", "optimizer": {"lr": 0.05}}
"""The settings of both configurations before the recipes."""
ENET = SGD | {"loss": "enet", "enet_offset": 1.1}
STEPS = {"name": "adamw", "lr": 3.0e-3, "weight_decay": 1.0e-2}
ADAMW = ENET | {"optimizer": STEPS, "lr_warmup": 0.05}
NO_NORM_DECAY = ADAMW | {"optimizer": STEPS | {"decay_all": False}}
FAST = NO_NORM_DECAY | {"auxiliary_size": "head", "channels_last": True}
EMA = FAST | {"ema_decay": 0.99}
ARMS: dict[str, dict[str, Any]] = {
    "released": SGD,
    "with enet": ENET,
    "with adamw": ADAMW,
    "with no norm decay": NO_NORM_DECAY,
    "with head size and channels last": FAST,
    "with ema": EMA,
    "loss: ohem": EMA | {"loss": "ohem"},
    "loss: cross_entropy": EMA | {"loss": "cross_entropy"},
    "loss: median_frequency": EMA | {"loss": "median_frequency"},
    "lr: 0.001": EMA | {"optimizer": STEPS | {"decay_all": False, "lr": 1.0e-3}},
    "lr: 0.01": EMA | {"optimizer": STEPS | {"decay_all": False, "lr": 1.0e-2}},
    "auxiliary_weight: 0": EMA | {"auxiliary_weight": 0.0},
    "enet_offset: 1.02": EMA | {"enet_offset": 1.02},
    "batch_size: 4": EMA | {"batch_size": 4},
    "crop: whole": EMA | {"batch_size": 4},
    "batch 4, offset 1.02": EMA | {"batch_size": 4, "enet_offset": 1.02},
    "initial: supernet": EMA | {"batch_size": 4, "enet_offset": 1.02, "initial": "supernet"},
    "distilled": EMA | {"batch_size": 4, "enet_offset": 1.02, "initial": "supernet"},
}
"""Settings of `retrain` by arm. Up to `with ema` each adds to the one before; the others change `with ema`, and the
last two the arm before them. `distilled` also learns from the same network at the largest width, with the supernet's
weights."""
SPEEDS: dict[str, dict[str, Any]] = {
    "only head size": NO_NORM_DECAY | {"auxiliary_size": "head"},
    "only channels last": NO_NORM_DECAY | {"channels_last": True},
}
"""Settings whose steps are timed, but which are not trained."""
AUGMENTED: dict[str, dict[str, Any]] = {"crop: whole": {"crop": (128, 256)}}
"""Augmentation of an arm on the scenes."""
OF_CAMVID = (
    "released",
    "with enet",
    "with head size and channels last",
    "with ema",
    "batch 4, offset 1.02",
)
Row = dict[str, float | int | str]


@dataclass(frozen=True)
class DataSet:
    """One of the data sets, ready for the stages.

    Attributes:
        name: for files and tables.
        settings: with the place of the data.
        folder: for the files of the stages.
        arms: to compare on it.
        seconds: processor time of a retraining.
    """

    name: str
    settings: Settings
    folder: Path
    arms: Sequence[str]
    seconds: float

    @property
    def split(self) -> Path:
        """The split table."""
        return self.folder / "split.csv"

    def retrain(self, arm: str) -> RetrainSettings:
        """The settings of an arm, for one epoch."""
        return RetrainSettings.model_validate({"batch_size": 8, "epochs": 1.0} | (ARMS | SPEEDS)[arm])


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


def scenes(folder: Path, seconds: float, arms: Sequence[str], config: Path) -> DataSet:
    """The synthetic scenes, a third more of them, so that as many are trained on as in a run."""
    settings = read_settings(config)
    assert settings.scenes is not None
    more = settings.scenes.model_copy(update={"train": settings.scenes.train * 4 // 3})
    data = settings.data.model_copy(update={"root": str(folder / "data")})
    if not (folder / "data" / "scenes.json").exists():
        call_stage("scenes", scenes=more, data=data, listing=folder / "data" / "scenes.json")
    return prepare("scenes", settings.model_copy(update={"data": data}), folder, arms, seconds)


def camvid(root: Path, folder: Path, seconds: float, arms: Sequence[str], config: Path) -> DataSet:
    """CamVid's training images at half their height and width, with crops of half the height and width."""
    settings = read_settings(config)
    for part, filter in (("train", Image.Resampling.BOX), ("trainannot", Image.Resampling.NEAREST)):
        (folder / "data" / part).mkdir(parents=True, exist_ok=True)
        for path in sorted((root / part).iterdir()):
            with Image.open(path) as image:
                small = image.resize((image.width // 2, image.height // 2), filter)
            small.save(folder / "data" / part / f"{path.stem}.png")
    height, width = settings.augmentation.crop
    changed = {
        "data": settings.data.model_copy(update={"root": str(folder / "data")}),
        "augmentation": settings.augmentation.model_copy(update={"crop": (height // 2, width // 2)}),
    }
    return prepare("camvid", settings.model_copy(update=changed), folder, arms, seconds)


def prepare(name: str, settings: Settings, folder: Path, arms: Sequence[str], seconds: float) -> DataSet:
    """Write the split, the pixels of its classes and the genotype, and use one thread of the CPU."""
    compute = settings.compute.model_copy(update={"device": "cpu", "threads": 1})
    settings = settings.model_copy(update={"compute": compute})
    made = DataSet(name, settings, folder, arms, seconds)
    train, held_out = hold_out(list_samples(settings.data, "train", settings.splits.seed))
    rows = [(sample, role) for role in TRAINING_ROLES for sample in train] + [(s, "evaluation") for s in held_out]
    cells = ((s.id, s.image, s.label or "", s.group, role) for s, role in rows)
    write_metrics(made.split, [dict(zip(COLUMNS, row, strict=True)) for row in cells])
    call_stage("class_pixels", settings, split=made.split, pixels=folder / "class_pixels.csv")
    genotype = random_genotype(settings.space, torch.Generator().manual_seed(0))
    write_json(folder / "genotype.json", genotype.to_json())
    return made


def hold_out(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Training and held-out images: the last groups are held out, of each video if the groups are stretches of it."""
    train: list[Sample] = []
    held_out: list[Sample] = []
    videos: dict[str, list[str]] = {}
    for group in sorted({sample.group for sample in samples}):
        video, _, stretch = group.rpartition(":")
        videos.setdefault(video if stretch.isdigit() else "", []).append(group)
    last = {group for groups in videos.values() for group in groups[-max(1, round(HELD_OUT * len(groups))) :]}
    for sample in sorted(samples):
        (held_out if sample.group in last else train).append(sample)
    return train, held_out


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


def table(data: DataSet) -> list[Row]:
    """A row per arm: seconds, and in % mean and deviation of mIoU, the difference from the first arm, IoU by class."""
    results = [read_json(path) for path in sorted(data.folder.glob("runs/*/result.json"))]
    by_arm = {arm: {r["seed"]: r for r in results if r["arm"] == arm} for arm in data.arms}
    rows: list[Row] = []
    for arm, step in measure_steps(data).items():
        found, first = by_arm.get(arm, {}), by_arm[data.arms[0]]
        scores = [100 * r["miou"] for r in found.values()]
        differences = [100 * (r["miou"] - first[seed]["miou"]) for seed, r in found.items() if seed in first]
        zeros = [sum(v is not None and v < 0.005 for v in r["iou"].values()) for r in found.values()]
        row: Row = {"data": data.name, "arm": arm, "step_ms": round(1000 * step), "seeds": len(found)}
        row |= {"steps": next((r["steps"] for r in found.values()), 0)}
        row |= {"seconds": average([r["seconds"] for r in found.values()], 1)}
        row |= {"miou": average(scores), "sd": deviation(scores)}
        row |= {"difference": average(differences), "difference_sd": deviation(differences)}
        row |= {"classes_at_0": average(zeros, 1)}
        for name in class_table(data.settings.data).names:
            row[name] = average([100 * (r["iou"][name] or 0.0) for r in found.values()], 1)
        rows.append(row)
    return rows


def average(values: Sequence[float], digits: int = 2) -> float:
    """The mean; NaN of no value."""
    return round(mean(values), digits) if values else float("nan")


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample; NaN of fewer than two values."""
    return round(stdev(values), 2) if len(values) > 1 else float("nan")


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = [
        list(rows[0]),
        ["---"] * len(rows[0]),
        *([f"{v:g}" if isinstance(v, float) else str(v) for v in r.values()] for r in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="keeps the results, from which the study resumes")
    parser.add_argument("--camvid", type=Path, help="folder of CamVid; without it the scenes are studied alone")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="+", choices=ARMS, metavar="ARM", help="only these, compared with the first")
    parser.add_argument("--seconds", type=float, default=60.0, help="processor time of a retraining on the scenes")
    parser.add_argument("--camvid-seconds", type=float, default=80.0, help="the same on CamVid")
    parser.add_argument("--csv", type=Path, help="file for the tables' numbers, beside which the other data set's lies")
    parser.add_argument("--table", action="store_true", help="only the table of the results so far")
    options = parser.parse_args()

    config = ROOT / "config"
    arms = tuple(options.arms or ARMS)
    sets = [scenes(options.folder / "scenes", options.seconds, arms, config / "config.yaml")]
    if options.camvid is not None:
        place, arms = options.folder / "camvid", tuple(arm for arm in arms if arm in OF_CAMVID)
        sets.append(camvid(options.camvid, place, options.camvid_seconds, arms, config / "camvid-cpu.yaml"))
    if not options.table:
        measured = [measure_steps(data) for data in sets]
        for seed in range(options.seeds):
            for data, seconds in zip(sets, measured, strict=True):
                for arm in data.arms:
                    run_arm(data, arm, seed, seconds)
    for data in sets:
        rows = table(data)
        print(f"\n{markdown(rows)}")
        if options.csv is not None:
            write_metrics(options.csv.with_stem(f"{options.csv.stem}-{data.name}"), rows)


if __name__ == "__main__":
    main()
