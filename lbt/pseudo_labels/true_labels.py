"""True labels of images that the teacher labelled, for people who inspect shards and never for a stage.

Images are unlabelled because the workflow must not read their masks, but masks may exist: a share of the user's masks
is set aside, Cityscapes has coarse masks for `train_extra`, and a synthetic scene can be generated again.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from lbt.config import DataSettings, SceneSettings
from lbt.data.classes import IGNORE, class_table
from lbt.data.images import read_image
from lbt.data.masks import read_label
from lbt.data.sample import Sample
from lbt.data.scenes.write_dataset import MARKER, generate_scene, scene_number
from lbt.errors import LbtError


class TrueLabels:
    """Masks of unlabelled images.

    Args:
        data: the data set.
        folder: a folder of masks, with any folders below it, whose names follow the layout of the data set; None
            searches where the layout has the masks of the unlabelled part.

    Attributes:
        source: the source of the labels in words.
    """

    def __init__(self, data: DataSettings, folder: Path | None = None) -> None:
        self._data, self._root, self._table = data, Path(data.root), class_table(data)
        self._scenes = _scenes(self._root) if folder is None else None
        self._masks: dict[str, list[Path]] = defaultdict(list)
        place, pattern = (folder, "**/*") if folder is not None else (self._root, _pattern(data))
        for path in sorted(place.glob(pattern)):
            self._masks[path.stem].append(path)
        self.source = "the synthetic scenes" if self._scenes is not None else f"{place / pattern}"

    def find(self, sample: Sample, shape: tuple[int, int]) -> np.ndarray | None:
        """True class indices (H, W) uint8 of an image, `IGNORE` where ignored; None without a labelled pixel.

        Args:
            sample: the image.
            shape: its H and W.

        Raises:
            LbtError: two masks fit, or the mask cannot be decoded or has another size than the image.
        """
        label = self._read(sample) if self._scenes is None else self._generate(self._scenes, sample)
        if label is None or (label == IGNORE).all():
            return None
        if label.shape != shape:
            raise LbtError(
                f"{self.source}: the true label of {sample.id} is {label.shape[1]} x {label.shape[0]} pixels (width x "
                f"height), its image {shape[1]} x {shape[0]}. Replace one of them."
            )
        return label

    def _read(self, sample: Sample) -> np.ndarray | None:
        found = [path for name in _names(self._data, sample) for path in self._masks.get(name, ())]
        if len(found) > 1:
            raise LbtError(f"{found[0]}: and {found[1]} both fit image {sample.id}; name a folder that holds one.")
        return read_label(self._root / sample.image, found[0], self._data, self._table) if found else None

    def _generate(self, scenes: SceneSettings, sample: Sample) -> np.ndarray:
        image, label = generate_scene(scenes, "test", scene_number("test", sample.id))
        path = self._root / sample.image
        if not np.array_equal(np.array(image), read_image(path, self._data.max_pixels)):
            raise LbtError(f"{path}: is not the scene that its settings generate. Generate the scenes again.")
        return self._table.lut[np.array(label)]


def _scenes(root: Path) -> SceneSettings | None:
    marker = root / MARKER
    return SceneSettings.model_validate_json(marker.read_bytes()) if marker.is_file() else None


def _pattern(data: DataSettings) -> str:
    """The pattern of the masks of the unlabelled part."""
    if data.folder is not None:
        return data.folder.masks.replace("{split}", data.folder.splits["unlabeled"])
    return f"gt*/{data.unlabeled}/*/*_labelIds.png"


def _names(data: DataSettings, sample: Sample) -> list[str]:
    """Possible stems of the mask of an image."""
    if data.folder is not None:
        return [Path(sample.image).stem + data.folder.mask_suffix]
    return [f"{sample.id}_{kind}_labelIds" for kind in ("gtFine", "gtCoarse")]
