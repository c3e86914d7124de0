"""Comments of the file of settings: why each value was chosen, and which numbers of images and steps it means."""

from __future__ import annotations

from lbt.config import Settings
from lbt.data.splits import steps_for
from lbt.own_data.division import Division
from lbt.own_data.layout import Layout
from lbt.own_data.survey import Survey


def describe_choices(settings: Settings, layout: Layout, survey: Survey, division: Division) -> dict[str, str]:
    """A comment for each key that needs one, by its dotted path."""
    counts = {role: len(samples) for role, samples in division.roles.items()}
    warmup, search, retrain = settings.warmup, settings.search, settings.retrain
    teacher, together = counts["teacher_train"], counts["teacher_train"] + counts["teacher_val"]
    labelled, without = len(layout.labelled), len(layout.unlabelled)
    read = f"{len(survey.counts)} of {survey.masks} masks were read" if survey.is_sample else "all masks were read"
    return {
        "run": "results are written to results/<run>",
        "methods": "the search, and its control: random networks as fast as those of lbt",
        "data.folder.images": f"{labelled} with a mask, {without} without",
        "data.folder.masks": "named like their photographs",
        "data.folder.mask_values": f"{'ids' if survey.mask_values == 'id' else 'colours'} stand for classes; {read}",
        "data.folder.val_share": f"{counts['evaluation']} photographs to evaluate on",
        "data.folder.unlabeled_share": f"the teacher labels these and those without a mask: {counts['unlabeled']}",
        "data.folder.group": "names look like frames of a video: neighbours stay in one part"
        if division.frames
        else "each photograph by itself",
        "data.folder.stretch": "runs of neighbouring frames that stay in one part",
        "data.folder.exif": "photographs are marked as turned; the sizes of the masks show this",
        "splits.seed": "of the division; with this one the training photographs show every class",
        "augmentation.crop": "height and width of a training crop in pixels",
        "augmentation.scale": "random resizing before the crop",
        "space.layers": "16 and base_width 12 are FasterSeg's; they need a GPU",
        "latency.input_size": "the usual height and width of the photographs: the size that must be fast",
        "warmup.epochs": f"{steps_for(warmup.epochs, teacher, warmup.batch_size)} steps on {teacher} photographs",
        "search.rounds": "more rounds let the architecture move further",
        "search.epochs": f"{steps_for(search.epochs, teacher, search.batch_size)} steps a round",
        "search.architecture": "so that the choices can move within so many steps",
        "search.student": "learns from the labels that the teacher gives",
        "retrain.epochs": f"{steps_for(retrain.epochs, together, retrain.batch_size)} steps; accuracy comes from here",
        "compute.threads": "of a job" if settings.compute.workers else "of a job; several jobs share the cores",
    }
