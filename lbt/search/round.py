"""One round of the search, from one checkpoint to the next; budget and artefacts are the same for all methods."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lbt.config.jobs import RoundJob
from lbt.config.methods import METHODS
from lbt.config.round import RoundSearch
from lbt.data.classes import class_table
from lbt.data.splits import read_split, steps_for
from lbt.errors import LbtError
from lbt.files import sha256, write_json
from lbt.latency.steering import steer
from lbt.latency.table import read_table, settings_key
from lbt.pseudo_labels.shard_format import PseudoLabels, ShardIdentity
from lbt.runtime.device import Precision, prepare_device
from lbt.runtime.distributed import group
from lbt.runtime.metrics_csv import write_metrics
from lbt.runtime.progress import Progress
from lbt.runtime.resume import Resume
from lbt.search.batches import RoundStreams
from lbt.search.checkpoint_retention import drop_old_files
from lbt.search.loop import RoundPlan, take_steps
from lbt.search.methods import load_method
from lbt.search.state import save_round, start_round
from lbt.space.architecture import architecture_to_json
from lbt.space.calibration import calibrate_supernet
from lbt.space.supernet_file import supernet_identity


@dataclass(frozen=True)
class Files:
    """Files of the stage.

    Attributes:
        split: the split table.
        table: the latency table.
        previous: checkpoint of the previous round, or of the supernet's warm-up.
        previous_state: training state of the previous round; None for the first round.
        probabilities: the pseudo labels of this round; empty if the method needs none.
        student: checkpoint of the student's warm-up, for the first round of a method with a student.
        checkpoint: receives supernet and architecture after the round.
        state: receives the training state, which only the next round reads.
        architecture: receives the logits as JSON.
        metrics: receives the measurements of each step as CSV.
        guide: receives the logits of a co-searched architecture as JSON.
    """

    split: Path
    table: Path
    previous: Path
    checkpoint: Path
    state: Path
    architecture: Path
    metrics: Path
    previous_state: Path | None = None
    probabilities: tuple[Path, ...] = ()
    student: Path | None = None
    guide: Path | None = None


def run(
    settings: RoundJob[RoundSearch], files: Files, *, resume: Resume | None = None, log: Path | None = None
) -> None:
    """Run a round (from 1) of a method and write checkpoint, architecture and metrics.

    Args:
        settings: the settings; `search` has the keys of the method.
        resume: saved state from which an interrupted run resumes; None saves none.

    Raises:
        LbtError: a co-search without the output `guide`, or that output without a co-search; likewise the input
            `student` of a first round and `previous_state` of a later one; inputs that do not fit these settings.
    """
    seed, method, round = settings.seed, settings.method, settings.round
    data, space, search = settings.data, settings.space, settings.search
    resume = resume or Resume()
    if search.cosearch != (files.guide is not None):
        raise LbtError(
            f"search.cosearch is {str(search.cosearch).lower()}, but the round was started with the output guide = "
            f"{files.guide}. Give the output to a co-search only."
        )
    if (METHODS[method].has_student and round == 1) != (files.student is not None):
        raise LbtError(
            f"round {round} of {method} was started with the input student = {files.student}. Give the checkpoint of "
            "the student's warm-up to the first round of a method with a student only."
        )
    if (round > 1) != (files.previous_state is not None):
        raise LbtError(
            f"round {round} was started with the input previous_state = {files.previous_state}. Give the training "
            "state of the round before to every round but the first."
        )
    device = prepare_device(settings.compute)
    classes = class_table(data)
    processes, chosen = group(), load_method(method)
    latency_table = read_table(files.table)
    latency_table.check_key(settings_key(settings.latency, settings.compute.threads, classes.num_classes))
    state = start_round(
        files.previous,
        files.previous_state,
        files.student,
        classes=classes.names,
        space=space,
        search=search,
        seed=seed,
        method=chosen,
        round=round,
        device=device,
        processes=processes,
    )
    steps = steps_for(search.epochs, len(read_split(files.split, "teacher_train")), search.batch_size)
    streams = RoundStreams(
        seed, round, files.split, classes, data, settings.augmentation, device, settings.compute.workers
    )
    remaining = replace(streams, taken=resume.step)
    labels = None
    if METHODS[method].needs_pseudo_labels:
        identity = ShardIdentity(round=round, method=method, seed=seed, teacher=sha256(files.previous), code="")
        labels = PseudoLabels(files.probabilities, classes.names, identity)
    plan = RoundPlan(
        method=chosen,
        seed=seed,
        round=round,
        train=remaining.labelled("teacher_train", "teacher_train", steps, search.batch_size),
        validation=remaining.labelled("teacher_val", "teacher_val", steps, search.batch_size),
        batches=state.partner.batches(remaining, steps, labels),
        space=space,
        search=search,
        table=latency_table,
        last_good=files.previous,
        processes=processes,
        precision=Precision(settings.compute.precision, device.type),
    )
    with Progress(f"search {method} seed-{seed} round-{round}", steps, log, shown=processes.first) as progress:
        rows = take_steps(state, plan, progress, resume)
        if search.fps is not None and chosen.architecture_gradient is not None:
            fps, before = rows[-1]["fps"], state.latency_weight
            state.latency_weight = steer(before, fps, search.fps)
            progress.note(
                f"{fps:.1f} frames per second predicted, wanted {search.fps[0]:g} to {search.fps[1]:g}: "
                f"latency_weight {before:g} -> {state.latency_weight:g}"
            )

    calibration = streams.labelled(
        "calibration", "teacher_train", settings.evaluation.calibration_batches, search.batch_size
    )
    calibrate_supernet(state.supernet, state.architecture, space, (images for images, _ in calibration))
    if not processes.first:
        return
    write_metrics(files.metrics, rows)
    write_json(files.architecture, architecture_to_json(state.architecture))
    if state.guide is not None and files.guide is not None:
        write_json(files.guide, architecture_to_json(state.guide.architecture))
    drop_old_files(files.checkpoint, files.state, round, search.keep_every)
    save_round(files.checkpoint, files.state, state, supernet_identity(classes.names, space, seed, method, round))
