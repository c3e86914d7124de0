"""The stages of the workflow: the module that runs each, the settings that it sees and the images that it reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lbt.config import Section, Settings, jobs, network_jobs
from lbt.config.baselines import BASELINES
from lbt.config.methods import METHODS, MethodFacts
from lbt.data.splits import TRAINING_ROLES


@dataclass(frozen=True)
class Stage:
    """A step of the workflow.

    Attributes:
        module: the module whose function `run` does the work and whose dataclass `Files` lists its files.
        settings: the settings that it sees.
        help: one line for `lbt stage --help`.
        gpus: the setting that says how many processes run the stage together; None if it is always one.
        on_gpu: whether it runs on a GPU where there is one.
        measures: whether it measures time, so that it needs the machine for itself and always the same GPU.
        reads: the roles whose images or masks it reads, so that it reruns if one changes; see also `roles_read`.
        lists_images: whether it reads the names of all images, so that it reruns if there are others.
        search_of: the keys of `search` that it sees of a method, where `settings` is generic in them.
        runs_method: whether it runs the code of its job's method, which may read further images.
        builds_network: whether it builds the network of its job, of which a baseline has code of its own.
    """

    module: str
    settings: type[Section]
    help: str
    gpus: str | None = None
    on_gpu: bool = False
    measures: bool = False
    reads: tuple[str, ...] = ()
    lists_images: bool = False
    search_of: Callable[[MethodFacts], type[Section]] | None = None
    runs_method: bool = False
    builds_network: bool = False

    @property
    def scalars(self) -> tuple[str, ...]:
        """What it sees of a job's names and numbers, such as `seed`."""
        return tuple(name for name in self.settings.model_fields if name not in Settings.model_fields)

    def model(self, method: str) -> type[Section]:
        """The settings that a job of the given method sees; stages that know no method ignore it."""
        if self.search_of is None:
            return self.settings
        return self.settings[self.search_of(METHODS[method])]  # type: ignore[index]  # a generic model

    def modules(self, method: str) -> tuple[str, ...]:
        """The modules that a job of a method or a baseline runs."""
        if method in BASELINES:
            return (self.module, f"lbt.baselines.{method}") if self.builds_network else (self.module,)
        return (self.module, f"lbt.search.methods.{method}") if self.runs_method else (self.module,)

    def roles_read(self, method: str) -> tuple[str, ...]:
        """The roles whose images or masks a job reads."""
        if not self.runs_method:
            return self.reads
        student = ("student_train", "student_val") if METHODS[method].has_student else ()
        return self.reads + student + (("unlabeled",) if METHODS[method].needs_pseudo_labels else ())


STAGES: dict[str, Stage] = {
    "scenes": Stage("lbt.data.scenes.write_dataset", jobs.ScenesJob, "generate street scenes in the Cityscapes layout"),
    "check": Stage(
        "lbt.data.checking.check", jobs.CheckJob, "read the whole data set and list every problem", lists_images=True
    ),
    "split": Stage("lbt.data.write_split", jobs.SplitJob, "divide the training images into parts", lists_images=True),
    "class_pixels": Stage(
        "lbt.data.count_class_pixels", jobs.DataJob, "count the training pixels of each class", reads=TRAINING_ROLES
    ),
    "latency": Stage(
        "lbt.latency.measure_table",
        jobs.LatencyJob,
        "measure the latency lookup table",
        on_gpu=True,
        measures=True,
    ),
    "reach_search": Stage("lbt.latency.reach", jobs.SearchReachJob, "check that the search can reach its window"),
    "reach_derivation": Stage(
        "lbt.latency.reach", jobs.DerivationReachJob, "check that the derivation can reach its window"
    ),
    "warmup": Stage(
        "lbt.search.warmup",
        jobs.WarmupJob,
        "train the supernet at all widths",
        gpus="warmup.gpus",
        on_gpu=True,
        reads=("teacher_train",),
    ),
    "student_warmup": Stage(
        "lbt.search.student_warmup",
        jobs.StudentWarmupJob,
        "train the student before the search",
        gpus="search.gpus",
        on_gpu=True,
        reads=("student_train",),
    ),
    "label": Stage(
        "lbt.pseudo_labels.label",
        jobs.LabelJob,
        "label a shard of the unlabelled images",
        on_gpu=True,
        reads=("unlabeled",),
    ),
    "gallery": Stage(
        "lbt.views.gallery", jobs.GalleryJob, "write the page of a round's pseudo labels", reads=("unlabeled",)
    ),
    "round": Stage(
        "lbt.search.round",
        jobs.RoundJob,
        "run one round of the search",
        gpus="search.gpus",
        on_gpu=True,
        reads=("teacher_train", "teacher_val"),
        search_of=lambda method: method.search,
        runs_method=True,
    ),
    "operators": Stage(
        "lbt.derivation.score_operators",
        network_jobs.OperatorsJob,
        "score the operators of the supernet by their removal",
        on_gpu=True,
        reads=("teacher_val",),
    ),
    "candidates": Stage(
        "lbt.derivation.score_candidates",
        network_jobs.CandidatesJob,
        "score the networks that may be derived",
        on_gpu=True,
        reads=("teacher_train", "teacher_val"),
    ),
    "derive": Stage(
        "lbt.derivation.derive",
        network_jobs.DeriveJob,
        "derive the discrete network",
        search_of=lambda method: method.derive,
    ),
    "derive_guide": Stage(
        "lbt.derivation.derive_guide", network_jobs.DeriveGuideJob, "derive the network to distil from"
    ),
    "profile": Stage(
        "lbt.latency.profiler",
        network_jobs.ProfileJob,
        "time the derived network",
        on_gpu=True,
        measures=True,
        builds_network=True,
    ),
    "retrain": Stage(
        "lbt.training.retrain",
        network_jobs.RetrainJob,
        "train the derived network",
        gpus="retrain.gpus",
        on_gpu=True,
        reads=TRAINING_ROLES,
        builds_network=True,
    ),
    "retrain_guide": Stage(
        "lbt.training.retrain",
        network_jobs.RetrainGuideJob,
        "train the network to distil from",
        gpus="retrain.gpus",
        on_gpu=True,
        reads=TRAINING_ROLES,
    ),
    "evaluate_supernet": Stage(
        "lbt.evaluation.supernet",
        network_jobs.EvaluateSupernetJob,
        "score the supernet",
        on_gpu=True,
        reads=("evaluation",),
    ),
    "evaluate_network": Stage(
        "lbt.evaluation.network",
        network_jobs.EvaluateNetworkJob,
        "score the retrained network",
        on_gpu=True,
        reads=("evaluation",),
        builds_network=True,
    ),
    "evaluate_constant": Stage(
        "lbt.evaluation.constant", jobs.DataJob, "score the most frequent class", reads=("evaluation",)
    ),
    "tabular_scores": Stage(
        "lbt.tabular.scores",
        network_jobs.TabularScoresJob,
        "train and score networks of a table",
        on_gpu=True,
        reads=(*TRAINING_ROLES, "evaluation"),
    ),
    "tabular_latency": Stage(
        "lbt.tabular.latency",
        network_jobs.TabularLatencyJob,
        "time the networks of a table",
        on_gpu=True,
        measures=True,
    ),
    "tabular_table": Stage(
        "lbt.tabular.write", network_jobs.TabularTableJob, "join scores and latencies into the table"
    ),
    "pack": Stage(
        "lbt.inference.pack", network_jobs.PackJob, "put network, scores and profile into one file", builds_network=True
    ),
    "settings": Stage("lbt.views.settings", Settings, "record settings and versions"),
    "tables": Stage("lbt.views.tables.write", network_jobs.TablesJob, "write the tables"),
    "compare": Stage(
        "lbt.views.figures.comparison",
        network_jobs.CompareJob,
        "draw the figures that compare the methods",
        reads=("evaluation",),
    ),
    "draw": Stage("lbt.views.figures.networks", network_jobs.DrawJob, "draw the figures of each method and seed"),
    "cards": Stage("lbt.views.cards", network_jobs.CardsJob, "write the card of each network"),
}
