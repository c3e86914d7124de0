"""Warnings about a data set that do not stop a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lbt.config import DataSettings
from lbt.data.checking.equal_images import equal_image_warnings
from lbt.data.checking.file_counts import left_out_warnings
from lbt.data.checking.ignored_pixels import ignored_warnings
from lbt.data.checking.inspection import Inspection
from lbt.data.checking.unseen_classes import absent_class_warnings
from lbt.data.checking.video_frames import frame_warnings
from lbt.data.classes import ClassTable
from lbt.data.find_files import Listing
from lbt.data.sample import Sample


def find_warnings(
    data: DataSettings,
    table: ClassTable,
    samples: Mapping[str, Sequence[Sample]],
    found: Mapping[str, Sequence[Inspection]],
    roles: Mapping[str, Sequence[Sample]],
    listings: Sequence[tuple[Listing, Listing]],
) -> list[str]:
    """Warnings of a data set without problems.

    Args:
        data: the data set.
        table: its classes.
        samples: of each official part.
        found: the findings of each sample.
        roles: the samples of each role.
        listings: the images and masks of each official part.
    """
    by_image = {s.image: one for split in samples for s, one in zip(samples[split], found[split], strict=True)}
    sketches = {image: one.sketch for image, one in by_image.items() if one.sketch is not None}
    counts = {split: [one.values for one in found[split]] for split in found}
    of_roles = {role: [by_image[s.image] for s in members] for role, members in roles.items() if role != "unlabeled"}
    return [
        *left_out_warnings(data, listings, samples),
        *ignored_warnings(counts, table),
        *absent_class_warnings(of_roles, table),
        *(frame_warnings(roles) if data.folder is not None else []),
        *equal_image_warnings(data, sketches, roles),
    ]
