"""The settings that each stage sees: one model per stage. Its fields are sections, or parts of sections.

Here are the stages up to the end of a search, and the parts that others share; `lbt.config.network_jobs` has the rest.
Only what is in its model can change a stage's result, so a change of any other setting does not rerun it. Beside
sections a model holds the names and numbers of a job: `seed`, `method`, `round`, `shard`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Generic, TypeVar

from lbt.config import Section, Settings
from lbt.config.base import WITHOUT_EFFECT, Gpus, select_keys
from lbt.config.data import AugmentationSettings, DataClasses, DataSettings, ImageFiles, SceneSettings, SplitSettings
from lbt.config.round import RoundSearch, SearchWindow, StudentSettings
from lbt.config.search import DerivationWindow
from lbt.config.space import LatencyKey, SpaceSettings, TableTiming
from lbt.config.training import (
    Calibration,
    ComputeKernels,
    ComputeSettings,
    LoadingCompute,
    ResumingDevice,
    WarmupSettings,
)

Job = TypeVar("Job", bound=Section)
Search = TypeVar("Search", bound=RoundSearch)


def pick_settings(model: type[Job], settings: Settings, **scalars: Any) -> Job:
    """The part of the settings that `model` lists, with `scalars` for its other fields."""
    values = settings.model_dump(mode="json") | scalars
    return model.model_validate_json(json.dumps(select_keys(model, values)))


class NetworkJob(Section):
    """A job for one network of a method, or for a baseline, whose name is then the method."""

    seed: int
    method: str


class ResumingJob(Section):
    """A long job. It saves its state and resumes from it."""

    compute: ResumingDevice


class AugmentedJob(ResumingJob):
    """A long job on augmented images."""

    compute: ComputeSettings
    data: DataSettings
    augmentation: AugmentationSettings


class TrainingJob(AugmentedJob):
    """A long job on augmented images and the search space."""

    space: SpaceSettings


class DataJob(Section):
    """A job on the data set."""

    data: DataSettings


class ScenesJob(DataJob):
    scenes: SceneSettings


class SplitJob(DataJob):
    splits: SplitSettings


class BatchSize(Section):
    batch_size: int


class SearchBatches(BatchSize):
    shards: int
    student: BatchSize


class CheckJob(SplitJob):
    """A batch that is larger than its part is refused here first, and later by the stage that loads it."""

    methods: Annotated[tuple[str, ...], WITHOUT_EFFECT]
    warmup: Annotated[BatchSize, WITHOUT_EFFECT]
    search: Annotated[SearchBatches, WITHOUT_EFFECT]
    retrain: Annotated[BatchSize, WITHOUT_EFFECT]


class LatencyJob(ResumingJob):
    data: DataClasses
    space: SpaceSettings
    latency: TableTiming


class Threads(Section):
    threads: int


class PredictionJob(Section):
    """A job that predicts latencies with the table."""

    data: DataClasses
    space: SpaceSettings
    latency: LatencyKey
    compute: Threads


class SearchReachJob(PredictionJob):
    search: SearchWindow


class DerivationReachJob(PredictionJob):
    derivation: DerivationWindow


class WarmupJob(TrainingJob):
    seed: int
    warmup: WarmupSettings
    evaluation: Calibration


class WarmedUpStudent(Section):
    student: StudentSettings
    gpus: Gpus


class StudentWarmupJob(AugmentedJob):
    seed: int
    search: WarmedUpStudent


class InferenceJob(NetworkJob, DataJob):
    """A job that runs a trained network on images."""

    space: SpaceSettings
    compute: ComputeKernels


class LabelRatio(Section):
    ratio: float | None


class LabelSearch(Section):
    shards: int
    pseudo_labels: LabelRatio


class LabelJob(InferenceJob):
    compute: LoadingCompute
    round: int
    shard: int
    search: LabelSearch


class Rounds(Section):
    rounds: int


class GalleryJob(Section):
    """The page links to the next round's, so it depends on the number of rounds."""

    data: ImageFiles
    search: Rounds


class RoundJob(NetworkJob, TrainingJob, Generic[Search]):
    """`search` holds the keys of the job's method; see `lbt.config.methods`."""

    round: int
    search: Search
    latency: LatencyKey
    evaluation: Calibration
