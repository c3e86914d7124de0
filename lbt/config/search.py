"""Settings of the search and of the derivation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lbt.config.base import OneOf, Section, Window, WrongSetting, check_gpus, check_window, read_with
from lbt.config.methods import METHODS
from lbt.config.round import LbtSearch, LptSearch, StudentSettings


class SearchSettings(LbtSearch, LptSearch):
    """Rounds of the search. Each step takes one step of T, one of S (lbt, lpt) and one of A (not random)."""

    ORDER = (
        *("rounds", "keep_every", "epochs", "batch_size", "decay", "teacher", "student", "architecture"),
        *("width_passes", "width_temperature", "width_temperature_decay", "width_temperature_least"),
        *("latency_weight", "latency_balance", "fps", "entropy_weight"),
        *("cosearch", "pseudo_weight", "pseudo_labels"),
        *("student_weight", "student_memory", "label_steps", "student_term", "norm_memory"),
        *("gradient", "second_order_limit", "lpt"),
        *("shards", "random_match", "random_tolerance", "gpus"),
    )

    student: StudentSettings = Field(StudentSettings(), description="The student S (lbt), the tester (lpt).")
    rounds: int = Field(30, ge=1, le=10_000, description="Number of rounds; a larger one continues the search.")
    shards: int = Field(1, ge=1, le=1000, description="Pseudo-label shards per round; each is a job of its own.")
    random_match: Annotated[str, OneOf((*METHODS, "window", "none"))] = Field(
        "lbt",
        description="Searched method whose predicted latency the random architectures must have; `window`: any in "
        "`fps`; `none`: any latency.",
    )
    random_tolerance: Annotated[float, read_with("search.random_match", *METHODS)] = Field(
        0.1, gt=0, lt=1, description="Allowed relative difference of that predicted latency."
    )

    @model_validator(mode="after")
    def _divided(self) -> Self:
        check_gpus(self.gpus, batch_size=self.batch_size)
        return self

    @model_validator(mode="after")
    def _window(self) -> Self:
        check_window(self.fps)
        if self.random_match == "window" and self.fps is None:
            raise WrongSetting("random_match", "`window` needs `fps`; give a window or another match")
        if self.fps is not None and self.latency_weight == 0:
            raise WrongSetting("latency_weight", "must be above 0 with `fps`, which doubles or halves it")
        return self


_SEARCHED = read_with("derivation.rule", "search")


class DerivationRule(Section):
    """How the path of a network is chosen."""

    rule: Literal["consistent", "released", "search"] = Field(
        "consistent",
        description="`consistent`: the path with the largest product of beta, each row read as the supernet reads it. "
        "`released`: the same, but with the row of a path to 1/16 one layer late, as FasterSeg's code reads it. "
        "`search`: the best path inside the window, by scores on teacher_val with the supernet's weights.",
    )


class DerivationWindow(DerivationRule):
    """The keys of `derivation` that say how fast the network must be."""

    fps: Annotated[Window | None, _SEARCHED] = Field(
        None, description="`rule: search`: window in frames per second; absent: that of `search.fps`, or none."
    )


class ScoredImages(DerivationRule):
    """The keys of `derivation` with which the operators of the supernet are scored."""

    images: Annotated[
        int | None, _SEARCHED, read_with("space.branches", "best"), read_with("derivation.operators", "removal")
    ] = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="`rule: search`, `space.branches: best` or `operators: removal`: images of teacher_val on which a "
        "path or an operator is scored, evenly spaced; absent: all.",
    )


class ScoredPaths(DerivationWindow, ScoredImages):
    """The keys of `derivation` with which the networks that may be derived are scored."""

    paths: Annotated[int | None, _SEARCHED] = Field(
        None,
        ge=1,
        le=1_000_000_000,
        description="`rule: search`: score only this number of paths, the most probable ones; absent: all.",
    )


class DerivationSettings(ScoredPaths):
    """From the searched architecture to the discrete network."""

    ORDER = ("rule", "operators", "fps", "paths", "images")

    operators: Literal["alpha", "removal"] = Field(
        "alpha",
        description="How a cell's operator is chosen. `alpha`: the most probable one. `removal`: the one whose removal "
        "raises the supernet's loss on teacher_val most, cell after cell in random order (DARTS-PT, without training "
        "in between).",
    )

    @model_validator(mode="after")
    def _window(self) -> Self:
        check_window(self.fps)
        return self
