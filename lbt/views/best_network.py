"""The networks that a run has so far, and the best of them: the highest mIoU inside the wanted window of FPS."""

from __future__ import annotations

import csv
import math
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lbt.errors import LbtError
from lbt.files import open_regular, unguard_cell
from lbt.views.results import CONTROLS, Profile, Scores, read_part

Window = tuple[float, float]
"""Least and most frames per second."""


@dataclass(frozen=True)
class FinishedNetwork:
    """A network that was retrained, scored and timed.

    Attributes:
        method: the search method.
        seed: its seed.
        miou: on the evaluation images, in [0, 1].
        fps, latency_ms: measured, at the median.
        parameters, macs: its size.
        folder: of its scores and pictures.
        packed: its file for people, which may not exist yet.
    """

    method: str
    seed: int
    miou: float
    fps: float
    latency_ms: float
    parameters: int
    macs: int
    folder: Path
    packed: Path

    @property
    def is_control(self) -> bool:
        """Whether nobody searched for it."""
        return self.method in CONTROLS

    @property
    def title(self) -> str:
        """Its method and seed."""
        return f"{self.method}, seed {self.seed}"

    def predict_command(self, images: str = "PHOTO") -> str:
        """The line that segments images with it."""
        return f"python -m lbt predict {shlex.quote(str(self.packed))} {images}"


@dataclass(frozen=True)
class Found:
    """What the folder of a run holds.

    Attributes:
        networks: those that are finished, in the order of the folder.
        problems: why others cannot be read.
        window: the wanted frames per second, if there is a window.
    """

    networks: Sequence[FinishedNetwork]
    problems: Sequence[str]
    window: Window | None

    @property
    def best(self) -> FinishedNetwork | None:
        """The highest mIoU inside the window; without a network inside it, the highest of all."""
        return max(self.inside or self.networks, key=lambda network: network.miou, default=None)

    @property
    def inside(self) -> list[FinishedNetwork]:
        """The networks inside the window; all if there is none."""
        return [network for network in self.networks if self.is_inside(network)]

    def is_inside(self, network: FinishedNetwork) -> bool:
        """Whether a network runs at the wanted frames per second."""
        return self.window is None or self.window[0] <= network.fps <= self.window[1]

    def describe_choice(self) -> str:
        """How the best network was chosen, in words."""
        chosen = "It was chosen on the evaluation images, so its mIoU there is somewhat optimistic."
        where = ""
        if self.window is not None:
            where = f" inside the wanted window ({self.window[0]:g} to {self.window[1]:g} FPS)"
        if not self.inside:
            return f"No network is{where}; this is the highest mIoU of all. {chosen}"
        if len(self.inside) == 1:
            return f"The only network{where}."
        return f"The highest mIoU of the {len(self.inside)} networks{where}. {chosen}"


def find_networks(run: Path) -> Found:
    """Read what a run has so far. A file that cannot be read becomes a problem."""
    networks, problems = [], []
    for scores in sorted(run.glob("evaluate/*/seed-*/network.json")):
        method, seed = scores.parent.parent.name, scores.parent.name.removeprefix("seed-")
        profile = run / "profile" / method / scores.parent.name / "profile.json"
        if not seed.isdecimal() or not profile.is_file():
            continue
        try:
            found, time = read_part(scores, Scores), read_part(profile, Profile)
        except LbtError as error:
            problems.append(str(error))
            continue
        packed = run / "networks" / f"{method}-seed-{seed}.pt"
        facts = {"miou": found["miou"], "fps": time["fps"], "latency_ms": time["median_ms"]}
        size = {"parameters": time["parameters"], "macs": time["macs"]}
        networks.append(FinishedNetwork(method, int(seed), **facts, **size, folder=scores.parent, packed=packed))
    return Found(networks, problems, read_window(run / "settings.yaml"))


def read_window(settings: Path) -> Window | None:
    """The window in which networks are derived, else that of the search; None without one, or without the file."""
    content: Any = None
    with suppress(OSError, ValueError, yaml.YAMLError), open(settings, encoding="utf-8", opener=open_regular) as file:
        content = yaml.safe_load(file.read(1_000_000))
    for section in ("derivation", "search"):
        with suppress(TypeError, ValueError, KeyError):
            low, high = map(float, content[section]["fps"])
            return low, high
    return None


def read_image_scores(network: FinishedNetwork) -> dict[str, float]:
    """mIoU of each evaluation image by its identifier, without those that have none; empty if there is no table."""
    scores = {}
    path = network.folder / "images.csv"
    with (
        suppress(OSError, ValueError, csv.Error),
        open(path, encoding="utf-8", newline="", opener=open_regular) as file,
    ):
        for row in csv.DictReader(file):
            name, miou = row.get("image_id"), row.get("miou")
            if name and miou and math.isfinite(float(miou)):
                scores[unguard_cell(name)] = float(miou)
    return scores
