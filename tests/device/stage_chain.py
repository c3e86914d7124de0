"""Every stage at the smallest size on the device, from inputs that the CPU made, compared with the CPU."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from report import Measurement
from stage_calls import call_stage

from lbt.config import Settings
from lbt.config.methods import METHODS
from lbt.config.read import parse_settings
from lbt.data.classes import class_table
from lbt.files import write_json
from lbt.latency.parts import list_space_parts
from lbt.latency.table import TableKey
from lbt.network.random_genotype import random_genotype
from lbt.runtime.checkpoint import load_checkpoint
from lbt.runtime.metrics_csv import write_metrics
from lbt.space.supernet_file import KIND

TINY = Path(__file__).resolve().parents[1] / "workflow" / "tiny.yaml"
ROUNDS: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "fasterseg": ("fasterseg", {}),
    "fasterseg, co-search": ("fasterseg", {"cosearch": True}),
    "lpt": ("lpt", {}),
    "lbt direct": ("lbt", {"gradient": "direct"}),
    "lbt one_step": ("lbt", {"gradient": "one_step"}),
    "lbt published": ("lbt", {"gradient": "published"}),
}
"""The rounds that run: the method, and the settings of the search that differ from the default."""


def tiny_settings(root: Path, device: str, **compute: Any) -> Settings:
    """The settings of the workflow's test on a device."""
    content = yaml.safe_load(TINY.read_text(encoding="utf-8"))
    content["data"]["root"] = str(root)
    content["compute"] = content["compute"] | {"device": device} | compute
    return parse_settings(content, "tiny.yaml")


class Chain:
    """A folder of inputs, made on the CPU, and stages that read them.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.inputs = folder / "inputs"
        self.settings = tiny_settings(folder / "data", "cpu")
        self.split, self.table, self.pixels = (
            self.inputs / name for name in ("split.csv", "table.csv", "class_pixels.csv")
        )
        self.genotype = self.inputs / "genotype.json"
        self.classes = class_table(self.settings.data)

    def prepare(self) -> None:
        """Make images, split, an invented latency table, and the outputs of all stages on the CPU."""
        self.inputs.mkdir(parents=True, exist_ok=True)
        settings = self.settings
        call_stage("scenes", settings, listing=Path(settings.data.root) / "scenes.json")
        call_stage("split", settings, split=self.split)
        call_stage("class_pixels", settings, split=self.split, pixels=self.pixels)
        key = TableKey("invented", "eager", "float32", 64, 64, 1, len(self.classes.names), "none")
        parts = list_space_parts(settings.space, len(self.classes.names))
        rows = [{**asdict(key), **asdict(part), "median_ms": 0.1 / part.scale, "iqr_ms": 0.0} for part in parts]
        write_metrics(self.table, rows)
        source = torch.Generator().manual_seed(0)
        write_json(self.genotype, random_genotype(settings.space, source).to_json())

    def run(self, name: str, settings: Settings, folder: Path) -> dict[str, Any]:
        """Run a stage, from the inputs of the CPU, into a folder; returns its numbers by name."""
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        return STAGES[name](self, settings, folder)

    def warmup(self, settings: Settings, folder: Path) -> dict[str, Any]:
        call_stage("warmup", settings, split=self.split, checkpoint=folder / "warmup.pt", metrics=folder / "warmup.csv")
        return numbers(folder / "warmup.csv", ("loss", "gradient_norm"))

    def student_warmup(self, settings: Settings, folder: Path) -> dict[str, Any]:
        files = {"checkpoint": folder / "student.pt", "metrics": folder / "student.csv"}
        call_stage("student_warmup", settings, split=self.split, **files)
        return numbers(folder / "student.csv", ("loss", "gradient_norm"))

    def label(self, settings: Settings, folder: Path) -> dict[str, Any]:
        for k in range(settings.search.shards):
            files = {"labels": folder / f"shard-{k}.h5", "probabilities": folder / f"probability-{k}.h5"}
            call_stage("label", settings, shard=k, split=self.split, teacher=self.inputs / "warmup.pt", **files)
        return {}

    def round(self, settings: Settings, folder: Path, name: str) -> dict[str, Any]:
        method, changes = ROUNDS[name]
        search = settings.search.model_copy(update=changes)
        labels = sorted(self.inputs.glob("probability-*.h5")) if METHODS[method].needs_pseudo_labels else []
        call_stage(
            "round",
            settings,
            search=search,
            method=method,
            split=self.split,
            table=self.table,
            previous=self.inputs / "warmup.pt",
            probabilities=labels,
            student=self.inputs / "student.pt" if METHODS[method].has_student else None,
            checkpoint=folder / f"{name}.pt",
            state=folder / f"{name}-state.pt",
            architecture=folder / f"{name}.json",
            metrics=folder / f"{name}.csv",
            guide=folder / f"{name}-guide.json" if search.cosearch else None,
        )
        logits = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        flat = {f"logits {key}": [value for row in rows for value in row] for key, rows in logits.items()}
        return numbers(folder / f"{name}.csv", ("loss", "norm")) | flat

    def retrain(self, settings: Settings, folder: Path) -> dict[str, Any]:
        call_stage(
            "retrain",
            settings,
            split=self.split,
            genotype=self.genotype,
            class_pixels=self.pixels,
            network=folder / "network.pt",
            metrics=folder / "retrain.csv",
        )
        return numbers(folder / "retrain.csv", ("loss", "gradient_norm"))

    def evaluate_network(self, settings: Settings, folder: Path) -> dict[str, Any]:
        call_stage(
            "evaluate_network",
            settings,
            split=self.split,
            network=self.inputs / "network.pt",
            scores=folder / "scores.json",
            images=folder / "images.csv",
            pictures=folder / "pictures",
            predictions=folder / "predictions",
        )
        return {"miou": [json.loads((folder / "scores.json").read_text(encoding="utf-8"))["miou"]]}

    def evaluate_supernet(self, settings: Settings, folder: Path) -> dict[str, Any]:
        place = self.inputs / "round-1"
        place.mkdir(exist_ok=True)
        checkpoint = place / "checkpoint.pt"
        if not checkpoint.exists():
            checkpoint.write_bytes((self.inputs / "warmup.pt").read_bytes())
        files = {"scores": folder / "supernet.json", "rounds": folder / "rounds.csv"}
        call_stage("evaluate_supernet", settings, split=self.split, checkpoints=[checkpoint], **files)
        return {"miou": [json.loads(files["scores"].read_text(encoding="utf-8"))["miou"]]}

    def candidates(self, settings: Settings, folder: Path) -> dict[str, Any]:
        derivation = settings.derivation.model_copy(update={"rule": "search", "images": 2, "paths": 2})
        content = load_checkpoint(self.inputs / "warmup.pt", kind=KIND, expect={})
        logits = {key: value.tolist() for key, value in content["architecture"].items()}
        write_json(folder / "logits.json", logits)
        call_stage(
            "candidates",
            settings,
            derivation=derivation,
            split=self.split,
            table=self.table,
            checkpoint=self.inputs / "warmup.pt",
            architecture=folder / "logits.json",
            candidates=folder / "candidates.csv",
        )
        return numbers(folder / "candidates.csv", ("miou",))

    def latency_and_profile(self, settings: Settings, folder: Path) -> dict[str, Any]:
        """Times are not compared; the stages must run, and predict what they measure."""
        table = folder / "measured.csv"
        call_stage("latency", settings, table=table)
        files = {"genotype": self.genotype, "table": table, "profile": folder / "profile.json"}
        call_stage("profile", settings, **files)
        profile = json.loads(files["profile"].read_text(encoding="utf-8"))
        return {name: profile[name] for name in ("median_ms", "predicted_ms", "parts_ms", "key")}


STAGES: dict[str, Callable[[Chain, Settings, Path], dict[str, Any]]] = {
    "warmup": Chain.warmup,
    "student_warmup": Chain.student_warmup,
    "label": Chain.label,
    "retrain": Chain.retrain,
    "evaluate_network": Chain.evaluate_network,
    "evaluate_supernet": Chain.evaluate_supernet,
    "candidates": Chain.candidates,
    "latency and profile": Chain.latency_and_profile,
    **{f"round, {name}": lambda c, s, f, name=name: c.round(s, f, name) for name in ROUNDS},  # type: ignore[misc]
}


def numbers(path: Path, endings: tuple[str, ...]) -> dict[str, list[float]]:
    """The columns of a CSV whose names end like this."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.endswith(endings)]
    return {name: [float(row[name]) for row in rows if row[name] != ""] for name in names}


def differences(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Of each list of numbers: relative difference of the first, and the largest one."""
    result: dict[str, Any] = {}
    for name, reference in expected.items():
        if not isinstance(reference, list) or not reference:
            continue
        pairs = list(zip(found[name], reference, strict=True))
        scale = max(max(abs(b) for _, b in pairs), 1e-12)
        relative = [abs(a - b) / scale for a, b in pairs]
        result[name] = {"first": float(f"{relative[0]:.2e}"), "largest": float(f"{max(relative):.2e}")}
    return result


def labels_that_agree(chain: Chain, folder: Path) -> dict[str, float]:
    """Share of pixels whose label is the CPU's, and the largest difference of the codes of probabilities (0 to 255)."""
    import h5py

    equal = total = largest = 0
    for file in sorted(chain.inputs.glob("shard-*.h5")):
        with h5py.File(file) as a, h5py.File(folder / file.name) as b:
            equal += int((a["label"][:] == b["label"][:]).sum())
            total += a["label"].size
    for file in sorted(chain.inputs.glob("probability-*.h5")):
        with h5py.File(file) as a, h5py.File(folder / file.name) as b:
            difference = a["probability"][:].astype(int) - b["probability"][:].astype(int)
            largest = max(largest, int(abs(difference).max()))
    return {"labels_equal": equal / total, "largest_difference_of_codes": largest}


def compare_stages(folder: Path, device: str, precisions: tuple[str, ...]) -> Iterator[Measurement]:
    """Every stage on the CPU, then on the device in each precision from the CPU's inputs."""
    chain = Chain(folder)
    chain.prepare()
    reference: dict[str, dict[str, Any]] = {}
    for name in STAGES:
        if name != "latency and profile":
            reference[name] = chain.run(name, chain.settings, chain.inputs)
        for precision in precisions:
            settings = tiny_settings(folder / "data", device, precision=precision)
            place = folder / precision / name

            def measure(name: str = name, settings: Settings = settings, place: Path = place) -> Any:
                found = chain.run(name, settings, place)
                if name not in reference:
                    return found
                more = labels_that_agree(chain, place) if name == "label" else {}
                return more or differences(found, reference[name])

            yield f"{name}, {precision}", measure


def repeat_round(folder: Path, device: str, precisions: tuple[str, ...]) -> Iterator[Measurement]:
    """The same round twice: whether metrics and weights are equal bit by bit, with and without `deterministic`."""
    chain = Chain(folder)
    for name in ("lbt direct", "lbt one_step"):
        for precision in precisions:
            for deterministic in (False, True):
                more = {"deterministic": deterministic} if device != "cpu" else {}
                settings = tiny_settings(folder / "data", device, precision=precision, **more)

                def measure(name: str = name, settings: Settings = settings) -> Any:
                    places = [folder / f"twice-{turn}" for turn in range(2)]
                    first, second = (chain.run(f"round, {name}", settings, place) for place in places)
                    states = [load_checkpoint(p / f"{name}.pt", kind=KIND, expect={})["supernet"] for p in places]
                    unequal = sum(not torch.equal(states[0][key], states[1][key]) for key in states[0])
                    return {"metrics_equal": first == second, "tensors_that_differ": unequal, "tensors": len(states[0])}

                yield f"{name}, {precision}{', deterministic' if deterministic else ''}", measure
                if device == "cpu":
                    break
