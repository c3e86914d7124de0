"""The networks that a run has so far, and the best of them: the highest mIoU inside the wanted window of FPS.

A baseline is not among those from which the best is chosen: the best network is what the methods of the run found.
"""

from __future__ import annotations

import csv
import math
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbt.config.baselines import BASELINES
from lbt.data.sample import picture_name
from lbt.errors import LbtError
from lbt.files import open_regular, unguard_cell
from lbt.views.results import CONTROLS, Profile, Scores, identify, list_scores, mark_role, read_part, read_run_settings

PACKED = "network.pt"
"""Name of the file for people in the folder of a network, `networks/<method>-seed-<seed>/`."""
Window = tuple[float, float]
"""Least and most frames per second."""


@dataclass(frozen=True)
class FinishedNetwork:
    """A network that was retrained, scored and timed.

    Attributes:
        method: the search method or baseline.
        seed: its seed.
        scores: on the evaluation images; see `lbt.evaluation.scores`.
        profile: latency and size; see `lbt.latency.profiler`.
        folder: of its scores and pictures.
        packed: its file for people, which may not exist yet.
    """

    method: str
    seed: int
    scores: Mapping[str, Any]
    profile: Mapping[str, Any]
    folder: Path
    packed: Path

    @property
    def miou(self) -> float:
        """On the evaluation images, in [0, 1]."""
        return float(self.scores["miou"])

    @property
    def fps(self) -> float:
        """Measured images per second, at the median."""
        return float(self.profile["fps"])

    @property
    def is_control(self) -> bool:
        """Whether its method draws networks at random."""
        return self.method in CONTROLS

    @property
    def is_baseline(self) -> bool:
        """Whether it is a published network, and not one of a method."""
        return self.method in BASELINES

    @property
    def mark(self) -> str:
        """What tells people, behind its name, that nobody searched for it."""
        return mark_role(self.method)

    @property
    def title(self) -> str:
        """Its method and seed."""
        return f"{self.method}, seed {self.seed}"

    @property
    def place(self) -> str:
        """Its folder below those of the run, such as `lbt/seed-0`."""
        return f"{self.method}/seed-{self.seed}"

    def numbers(self) -> list[tuple[str, str]]:
        """The numbers that people ask for first, as text with the unit, and what each is."""
        return [
            (f"{100 * self.miou:.1f} %", "mIoU"),
            (f"{self.fps:.1f}", "FPS"),
            (f"{self.profile['median_ms']:.2f} ms", "an image"),
            (f"{self.profile['parameters'] / 1e6:.2f} M", "parameters"),
        ]

    def predict_command(self, images: str = "PHOTO") -> str:
        """The line that segments images with it."""
        return f"lbt predict {shlex.quote(str(self.packed))} {images}"

    def list_examples(self) -> list[Path]:
        """Pictures of evenly spaced images: image, ground truth and prediction."""
        names = [path.name for path in sorted((self.folder / "predictions").glob("*.png"))]
        return [path for name in names if (path := self.folder / "pictures" / name).is_file()]


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
        """The highest mIoU of the methods' networks inside the window; without one inside it, the highest of all."""
        return max(self.inside or self.chosen_from, key=lambda network: network.miou, default=None)

    @property
    def inside(self) -> list[FinishedNetwork]:
        """The methods' networks inside the window; all if there is none."""
        return [network for network in self.chosen_from if self.is_inside(network)]

    @property
    def chosen_from(self) -> list[FinishedNetwork]:
        """The networks of the methods: all but the baselines."""
        return [network for network in self.networks if not network.is_baseline]

    def is_inside(self, network: FinishedNetwork) -> bool:
        """Whether a network runs at the wanted frames per second."""
        return self.window is None or self.window[0] <= network.fps <= self.window[1]

    def describe_choice(self) -> str:
        """How the best network was chosen, in words."""
        chosen = "It was chosen on the evaluation images, so its mIoU there is somewhat optimistic."
        where = ""
        if self.window is not None:
            where = f" inside the wanted window ({self.window[0]:g} to {self.window[1]:g} FPS)"
        those = " of the methods" if len(self.chosen_from) < len(self.networks) else ""
        if not self.inside:
            return f"No network{those} is{where}; this is the highest mIoU of them all. {chosen}"
        if len(self.inside) == 1:
            return f"The only network{those}{where}."
        return f"The highest mIoU of the {len(self.inside)} networks{those}{where}. {chosen}"

    def describe_rank(self, network: FinishedNetwork) -> str:
        """What a network is among those of the run, in words."""
        if network is self.best:
            return f"The best network of this run. {self.describe_choice()}"
        best = "" if self.best is None else f"The best network of this run is {self.best.title}. "
        best += "This is a baseline, from which the best is not chosen. " if network.is_baseline else ""
        return best + ("" if self.is_inside(network) else "This one is outside the wanted window.")


def find_networks(run: Path) -> Found:
    """Read what a run has so far. A file that cannot be read becomes a problem."""
    networks, problems = [], []
    for scores in list_scores(run):
        method, seed = scores.parts[-3:-1]
        profile = run / "profile" / method / seed / "profile.json"
        if profile.is_file():
            try:
                networks.append(read_network(scores, profile, run / "networks" / f"{method}-{seed}" / PACKED))
            except LbtError as error:
                problems.append(str(error))
    return Found(networks, problems, read_window(run))


def read_network(scores: Path, profile: Path, packed: Path) -> FinishedNetwork:
    """A network from its scores in a folder `.../<method>/seed-<seed>/`, its profile and its file.

    Raises:
        LbtError: scores or profile cannot be read.
    """
    found, time = read_part(scores, Scores), read_part(profile, Profile)
    return FinishedNetwork(*identify(scores), found, time, scores.parent, packed)


def read_window(run: Path) -> Window | None:
    """The window in which networks are derived, else that of the search; None without one, or without settings."""
    content = read_run_settings(run)
    for section in ("derivation", "search"):
        with suppress(TypeError, ValueError, KeyError):
            low, high = map(float, content[section]["fps"])
            return low, high
    return None


def read_image_scores(network: FinishedNetwork) -> dict[str, float]:
    """mIoU of each evaluation image by the file name of its picture, without images that have none.

    It is empty if there is no table.
    """
    scores = {}
    path = network.folder / "images.csv"
    with (
        suppress(OSError, ValueError, csv.Error),
        open(path, encoding="utf-8", newline="", opener=open_regular) as file,
    ):
        for row in csv.DictReader(file):
            name, miou = row.get("image_id"), row.get("miou")
            if name and miou and math.isfinite(float(miou)):
                scores[picture_name(unguard_cell(name))] = float(miou)
    return scores
