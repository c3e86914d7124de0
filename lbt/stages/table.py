"""The stages of the workflow: which module runs each, and which settings and images reach it.

A stage sees the listed settings and nothing else, so a change of any other cannot change its result and does not rerun
it. `lbt.stages.settings` hands them over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lbt.config import Settings
from lbt.config.methods import METHODS
from lbt.data.splits import TRAINING_ROLES


@dataclass(frozen=True)
class Stage:
    """A step of the workflow.

    Attributes:
        module: the module whose function `run` does the work.
        sections: the sections of the settings, and the settings outside of them, that `run` takes by keyword.
        help: one line for `python -m lbt stage --help`.
        scalars: what else `run` takes of a job's name, such as `seed`.
        only: for sections that reach the stage in part, the keys that do; to read another one is an AttributeError.
        gpus: the setting that says how many processes run the stage together; None where one does.
        untracked: settings, all numbers, that reach the stage but change no later result, so that a change reruns
            nothing.
        reads: the roles whose images or masks it reads, so that it reruns if one changes; see also `roles_read`.
    """

    module: str
    sections: tuple[str, ...]
    help: str
    scalars: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gpus: str | None = None
    untracked: tuple[str, ...] = ("compute.workers",)
    reads: tuple[str, ...] = ()

    @property
    def resumes(self) -> bool:
        """Whether `run` takes a `lbt.runtime.resume.Resume` and goes on where a stopped run saved its state."""
        return _MINUTES in self.untracked


_MINUTES = "compute.checkpoint_minutes"
_RESUMES = ("compute.workers", _MINUTES)

_TRAINING = ("data", "augmentation", "space")
_MEASURED = ("input_size", "backend", "precision")
_CLASSES = ("layout", "classes", "folder")
_KEY = {"data": _CLASSES, "latency": _MEASURED, "compute": ("threads",)}
"""What is compared with a latency table's key."""

STAGES: dict[str, Stage] = {
    "scenes": Stage("lbt.data.scenes.write_dataset", ("scenes", "data"), "draw street scenes in the Cityscapes layout"),
    "check": Stage(
        "lbt.data.checking.check",
        ("data", "splits", "warmup", "search", "retrain"),
        "read the whole data set and list every problem",
        # A batch that is larger than its part is refused here at first, and by the stage that draws it ever after.
        only={"warmup": (), "search": (), "retrain": ()},
        untracked=(
            *("warmup.batch_size", "search.batch_size", "search.shards", "search.student.batch_size"),
            "retrain.batch_size",
        ),
    ),
    "split": Stage("lbt.data.splits", ("data", "splits"), "divide the training images into parts"),
    "latency": Stage(
        "lbt.latency.table",
        ("space", "data", "latency", "compute"),
        "measure the latency lookup table",
        only={"data": _CLASSES, "latency": (*_MEASURED, "min_run_seconds")},
    ),
    "reach": Stage(
        "lbt.latency.reach",
        ("data", "space", "latency", "search", "derivation", "compute"),
        "check that the wanted frames per second can be reached",
        # The rule travels along because the settings refuse a window of the derivation without it.
        only={**_KEY, "search": ("fps",), "derivation": ("rule", "fps")},
        untracked=(),
    ),
    "warmup": Stage(
        "lbt.search.warmup",
        (*_TRAINING, "warmup", "evaluation", "compute"),
        "train the supernet at all widths",
        ("seed",),
        only={"evaluation": ("calibration_batches",)},
        gpus="warmup.gpus",
        untracked=_RESUMES,
        reads=("teacher_train",),
    ),
    "label": Stage(
        "lbt.pseudo_labels.label",
        ("data", "space", "search", "compute"),
        "label a shard of the unlabelled images",
        ("seed", "method", "round", "shard"),
        only={"search": ("shards", "pseudo_labels.ratio")},
        reads=("unlabeled",),
    ),
    "gallery": Stage(
        "lbt.views.gallery",
        ("data", "search"),
        "write the page of a round's pseudo labels",
        # the number of rounds, because the page links to the next one
        only={"data": ("root",), "search": ("rounds",)},
        reads=("unlabeled",),
    ),
    "round": Stage(
        "lbt.search.round",
        (*_TRAINING, "search", "latency", "evaluation", "compute"),
        "run one round of the search",
        ("seed", "method", "round"),
        only={
            # not the number of rounds: more rounds continue from the last one
            "search": (
                *("epochs", "batch_size", "decay", "teacher", "architecture"),
                *("latency_weight", "latency_balance", "fps", "cosearch", "gpus"),
            ),
            "latency": _MEASURED,
            "evaluation": ("calibration_batches",),
        },
        gpus="search.gpus",
        untracked=(*_RESUMES, "search.keep_every"),
        reads=("teacher_train", "teacher_val"),
    ),
    "candidates": Stage(
        "lbt.derivation.score_candidates",
        (*_TRAINING, "search", "latency", "derivation", "evaluation", "compute"),
        "score the networks that may be derived",
        ("seed", "method"),
        only={
            "search": ("fps",),
            "latency": _MEASURED,
            "evaluation": ("batch_size", "calibration_batches"),
        },
        untracked=_RESUMES,
        reads=("teacher_train", "teacher_val"),
    ),
    "derive": Stage(
        "lbt.derivation.derive",
        ("data", "space", "latency", "search", "derivation", "compute"),
        "derive the discrete network",
        ("seed", "method"),
        only={
            **_KEY,
            "search": ("fps",),
            "derivation": ("rule", "fps"),
        },
        untracked=(),
    ),
    "derive_guide": Stage(
        "lbt.derivation.derive_guide", ("space",), "derive the network to distil from", ("seed", "method")
    ),
    "profile": Stage(
        "lbt.latency.profiler",
        ("space", "data", "latency", "compute"),
        "time the derived network",
        only={"data": _CLASSES, "latency": (*_MEASURED, "profile_runs")},
    ),
    "retrain": Stage(
        "lbt.training.retrain",
        (*_TRAINING, "retrain", "compute"),
        "train the derived network",
        ("seed", "method"),
        gpus="retrain.gpus",
        untracked=_RESUMES,
        reads=TRAINING_ROLES,
    ),
    "retrain_guide": Stage(
        "lbt.training.retrain",
        (*_TRAINING, "retrain", "compute"),
        "train the network to distil from",
        ("seed", "method"),
        only={"retrain": ("epochs", "batch_size", "optimizer", "power", "auxiliary_weight", "initial", "gpus")},
        gpus="retrain.gpus",
        untracked=_RESUMES,
        reads=TRAINING_ROLES,
    ),
    "evaluate_supernet": Stage(
        "lbt.evaluation.supernet",
        ("data", "space", "evaluation", "compute"),
        "score the supernet",
        ("seed", "method"),
        only={"evaluation": ("batch_size",)},
        reads=("evaluation",),
    ),
    "evaluate_network": Stage(
        "lbt.evaluation.network",
        ("data", "space", "evaluation", "compute"),
        "score the retrained network",
        ("seed", "method"),
        only={"evaluation": ("batch_size", "pictures")},
        reads=("evaluation",),
    ),
    "evaluate_constant": Stage(
        "lbt.evaluation.constant",
        ("data",),
        "score the most frequent class",
        reads=(*TRAINING_ROLES, "evaluation"),
    ),
    "pack": Stage(
        "lbt.inference.pack",
        # all that leads to a network: the file carries their digest
        (
            *("data", "splits", "augmentation", "space", "latency", "warmup", "search", "derivation", "retrain"),
            *("evaluation", "compute"),
        ),
        "put network, scores and profile into one file",
        ("seed", "method"),
    ),
    "settings": Stage("lbt.views.settings", tuple(Settings.model_fields), "record settings and versions"),
    "tables": Stage(
        "lbt.views.tables.write",
        ("space", "warmup", "search", "retrain"),
        "write the tables",
        only={
            "warmup": ("epochs", "batch_size"),
            "search": ("rounds", "epochs", "batch_size", "cosearch"),
            "retrain": ("epochs", "batch_size", "initial"),
        },
    ),
    "compare": Stage(
        "lbt.views.figures.comparison",
        ("data",),
        "draw the figures that compare the methods",
        reads=("evaluation",),
    ),
    "draw": Stage("lbt.views.figures.networks", ("space",), "draw the figures of each method and seed"),
}


def roles_read(stage: str, method: str = "") -> tuple[str, ...]:
    """The roles whose images or masks a stage reads; a round also reads those of its method's student and labels."""
    roles = STAGES[stage].reads
    if stage == "round":
        student = ("student_train", "student_val") if METHODS[method].has_student else ()
        roles += student + (("unlabeled",) if METHODS[method].needs_pseudo_labels else ())
    return roles
