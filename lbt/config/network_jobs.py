"""The settings that the stages after a search see: derivation, timing, training, scores, tables and figures.

Their common parts are in `lbt.config.jobs`.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from lbt.config import Section, Window
from lbt.config.data import AugmentationSettings, DataClasses, ImageFiles
from lbt.config.jobs import DataJob, InferenceJob, NetworkJob, PredictionJob, SplitJob, TrainingJob
from lbt.config.retrain import GuideTraining, RetrainSettings
from lbt.config.round import SearchWindow
from lbt.config.search import (
    DerivationRule,
    DerivationSettings,
    DerivationWindow,
    ScoredImages,
    ScoredPaths,
    SearchSettings,
)
from lbt.config.space import LatencyKey, LatencySettings, NetworkTiming, SpaceSettings
from lbt.config.tabular import TabularJobs, TabularSettings
from lbt.config.training import (
    ArchitectureSettings,
    CandidateScoring,
    ComputeDevice,
    ComputeSettings,
    EvaluationSettings,
    LoadingCompute,
    NetworkScoring,
    ScoreBatches,
    WarmupSettings,
)

Wanted = TypeVar("Wanted", bound=SearchWindow)


class OperatorsJob(NetworkJob, TrainingJob):
    derivation: ScoredImages
    evaluation: ScoreBatches


class CandidatesJob(NetworkJob, TrainingJob):
    search: SearchWindow
    latency: LatencyKey
    derivation: ScoredPaths
    evaluation: CandidateScoring


class DeriveJob(NetworkJob, PredictionJob, Generic[Wanted]):
    """`search` holds the keys of the job's method; see `lbt.config.methods`."""

    search: Wanted
    derivation: DerivationWindow


class DeriveGuideJob(NetworkJob):
    space: SpaceSettings
    derivation: DerivationRule


class TimingJob(Section):
    data: DataClasses
    space: SpaceSettings
    latency: NetworkTiming
    compute: ComputeDevice


class ProfileJob(TimingJob):
    method: str


class RetrainGuideJob(NetworkJob, TrainingJob):
    retrain: GuideTraining


class RetrainJob(RetrainGuideJob):
    retrain: RetrainSettings


class TabularScoresJob(TrainingJob):
    seed: int
    job: int
    retrain: RetrainSettings
    evaluation: ScoreBatches
    tabular: TabularJobs


class TabularLatencyJob(TimingJob):
    tabular: TabularSettings


class TabularTableJob(Section):
    space: SpaceSettings
    augmentation: AugmentationSettings
    retrain: RetrainSettings


class EvaluateSupernetJob(InferenceJob):
    compute: LoadingCompute
    evaluation: ScoreBatches


class EvaluateNetworkJob(InferenceJob):
    compute: LoadingCompute
    evaluation: NetworkScoring


class PackJob(NetworkJob, SplitJob):
    """Everything that leads to a network, because the packed file carries the digest of it."""

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
    architecture: ArchitectureSettings


class RetrainBudget(Budget):
    initial: str


class TablesJob(Section):
    space: SpaceSettings
    warmup: Budget
    search: SearchBudget
    retrain: RetrainBudget


class CompareJob(DataJob):
    space: SpaceSettings
    search: SearchWindow


class DrawJob(Section):
    space: SpaceSettings


class WantedSpeed(Section):
    fps: Window | None


class CardsJob(Section):
    """The best network is the best one inside the window."""

    data: ImageFiles
    search: WantedSpeed
    derivation: WantedSpeed
