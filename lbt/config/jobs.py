"""The settings that each stage sees: one model per stage, whose fields are sections or the keys of one that it reads.

Only what is in its model can change a stage's result, so a change of any other setting does not rerun it. Beside
sections a model holds the names and numbers of a job: `seed`, `method`, `round`, `shard`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Generic, TypeVar

from lbt.config import (
    AugmentationSettings,
    ComputeDevice,
    ComputeSettings,
    DataClasses,
    DataSettings,
    DerivationSettings,
    EvaluationSettings,
    LatencyKey,
    LatencySettings,
    RetrainSettings,
    RoundSearch,
    SceneSettings,
    SearchSettings,
    Section,
    Settings,
    SpaceSettings,
    SplitSettings,
    WarmupSettings,
)
from lbt.config.base import WITHOUT_EFFECT, select_keys
from lbt.config.round import SearchWindow
from lbt.config.search import DerivationWindow
from lbt.config.space import NetworkTiming, TableTiming
from lbt.config.training import Calibration, CandidateScoring, GuideTraining, NetworkScoring, ScoreBatches

Job = TypeVar("Job", bound=Section)


def pick_settings(model: type[Job], settings: Settings, **scalars: Any) -> Job:
    """The part of the settings that `model` lists, with `scalars` for its other fields."""
    values = settings.model_dump(mode="json") | scalars
    return model.model_validate_json(json.dumps(select_keys(model, values)))


class NetworkJob(Section):
    """A job for one network of a method."""

    seed: int
    method: str


class ResumingJob(Section):
    """A long job. It saves its state and resumes from it."""

    compute: ComputeSettings


class TrainingJob(ResumingJob):
    """A long job on training images."""

    data: DataSettings
    augmentation: AugmentationSettings
    space: SpaceSettings


class ScenesJob(Section):
    scenes: SceneSettings
    data: DataSettings


class BatchSize(Section):
    batch_size: int


class SearchBatches(BatchSize):
    shards: int
    student: BatchSize


class CheckJob(Section):
    """A batch that is larger than its part is refused here first, and later by the stage that loads it."""

    data: DataSettings
    splits: SplitSettings
    warmup: Annotated[BatchSize, WITHOUT_EFFECT]
    search: Annotated[SearchBatches, WITHOUT_EFFECT]
    retrain: Annotated[BatchSize, WITHOUT_EFFECT]


class SplitJob(Section):
    data: DataSettings
    splits: SplitSettings


class LatencyJob(ResumingJob):
    data: DataClasses
    space: SpaceSettings
    latency: TableTiming


class Threads(Section):
    threads: int


class ReachJob(Section):
    data: DataClasses
    space: SpaceSettings
    latency: LatencyKey
    compute: Threads


class SearchReachJob(ReachJob):
    search: SearchWindow


class DerivationReachJob(ReachJob):
    derivation: DerivationWindow


class WarmupJob(TrainingJob):
    seed: int
    warmup: WarmupSettings
    evaluation: Calibration


class LabelRatio(Section):
    ratio: float | None


class LabelSearch(Section):
    shards: int
    pseudo_labels: LabelRatio


class LabelJob(NetworkJob):
    round: int
    shard: int
    data: DataSettings
    space: SpaceSettings
    search: LabelSearch
    compute: ComputeDevice


class DataRoot(Section):
    root: str


class Rounds(Section):
    rounds: int


class GalleryJob(Section):
    """The page links to the next round's, so it depends on the number of rounds."""

    data: DataRoot
    search: Rounds


Search = TypeVar("Search", bound=RoundSearch)


class RoundJob(NetworkJob, TrainingJob, Generic[Search]):
    """`search` holds the keys of the job's method; see `lbt.config.methods`."""

    round: int
    search: Search
    latency: LatencyKey
    evaluation: Calibration


class CandidatesJob(NetworkJob, TrainingJob):
    search: SearchWindow
    latency: LatencyKey
    derivation: DerivationSettings
    evaluation: CandidateScoring


Wanted = TypeVar("Wanted", bound=SearchWindow)


class DeriveJob(NetworkJob, Generic[Wanted]):
    """`search` holds the keys of the job's method; see `lbt.config.methods`."""

    data: DataClasses
    space: SpaceSettings
    latency: LatencyKey
    search: Wanted
    derivation: DerivationWindow
    compute: Threads


class DeriveGuideJob(NetworkJob):
    space: SpaceSettings


class ProfileJob(Section):
    data: DataClasses
    space: SpaceSettings
    latency: NetworkTiming
    compute: ComputeDevice


class RetrainGuideJob(NetworkJob, TrainingJob):
    retrain: GuideTraining


class RetrainJob(RetrainGuideJob):
    retrain: RetrainSettings


class EvaluateSupernetJob(NetworkJob):
    data: DataSettings
    space: SpaceSettings
    evaluation: ScoreBatches
    compute: ComputeDevice


class EvaluateNetworkJob(NetworkJob):
    data: DataSettings
    space: SpaceSettings
    evaluation: NetworkScoring
    compute: ComputeDevice


class EvaluateConstantJob(Section):
    data: DataSettings


class PackJob(NetworkJob):
    """Everything that leads to a network, because the packed file carries the digest of it."""

    data: DataSettings
    splits: SplitSettings
    augmentation: AugmentationSettings
    space: SpaceSettings
    latency: LatencySettings
    warmup: WarmupSettings
    search: SearchSettings
    derivation: DerivationSettings
    retrain: RetrainSettings
    evaluation: EvaluationSettings
    compute: ComputeSettings


class Budget(Section):
    epochs: float
    batch_size: int


class SearchBudget(Budget):
    rounds: int
    cosearch: bool


class RetrainBudget(Budget):
    initial: str


class TablesJob(Section):
    space: SpaceSettings
    warmup: Budget
    search: SearchBudget
    retrain: RetrainBudget


class CompareJob(Section):
    data: DataSettings


class DrawJob(Section):
    space: SpaceSettings
