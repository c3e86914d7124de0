"""True labels of images that the teacher labelled, where they exist: for people who look at shards, never for a stage.

The workflow calls images unlabelled because it must not read their masks, not because nobody has any: a part of the
user's own masks is held back, Cityscapes has coarse masks of `train_extra`, a drawn scene can be drawn again.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from lbt.config import DataSettings, SceneSettings
from lbt.data.classes import IGNORE, class_table
from lbt.data.images import read_image
from lbt.data.sample import Sample
from lbt.data.scenes.write_dataset import MARKER, draw_scene, scene_number
from lbt.errors import LbtError


class TrueLabels:
    """Masks of unlabelled images.

    Args:
        data: the data set.
        folder: a folder, with any folders below, of masks with the names that the data set's layout gives them; None
            looks where the layout has the masks of the unlabelled part.

    Attributes:
        source: where they come from, in words.
    """

    def __init__(self, data: DataSettings, folder: Path | None = None) -> None:
        self._data, self._root, self._table = data, Path(data.root), class_table(data)
        self._scenes = _scenes(self._root) if folder is None else None
        self._masks: dict[str, list[Path]] = defaultdict(list)
        place, pattern = (folder, "**/*") if folder is not None else (self._root, _pattern(data))
        for path in sorted(place.glob(pattern)) if place.is_dir() else ():
            self._masks[path.stem].append(path)
        self.source = "the drawing of the scenes" if self._scenes is not None else f"{place / pattern}"

    def find(self, sample: Sample, shape: tuple[int, int]) -> np.ndarray | None:
        """True class indices (H, W) uint8 of an image, 255 where ignored; None if there is no label with a class.

        Args:
            sample: the image.
            shape: its H and W.

        Raises:
            LbtError: two masks fit, or the mask cannot be decoded or is of another size than the image.
        """
        label = self._draw(sample) if self._scenes is not None else self._read(sample)
        if label is None or (label == IGNORE).all():
            return None
        if label.shape != shape:
            raise LbtError(
                f"{self.source}: the true label of {sample.id} is {label.shape[1]} x {label.shape[0]} pixels (width x "
                f"height), its image {shape[1]} x {shape[0]}. Replace one of them."
            )
        return label

    def _read(self, sample: Sample) -> np.ndarray | None:
        from lbt.data.dataset import decode_label

        found = [path for name in _names(self._data, sample) for path in self._masks.get(name, ())]
        if len(found) > 1:
            raise LbtError(f"{found[0]}: and {found[1]} both fit image {sample.id}; name a folder that holds one.")
        return decode_label(found[0], self._table).numpy() if found else None

    def _draw(self, sample: Sample) -> np.ndarray:
        image, label = draw_scene(self._scenes, "test", scene_number("test", sample.id))
        path = self._root / sample.image
        if not np.array_equal(np.array(image), read_image(path)):
            raise LbtError(f"{path}: is not the scene that its settings draw. Draw the scenes again.")
        return self._table.lut[np.array(label)]


def _scenes(root: Path) -> SceneSettings | None:
    marker = root / MARKER
    return SceneSettings.model_validate_json(marker.read_bytes()) if marker.is_file() else None


def _pattern(data: DataSettings) -> str:
    """Where the layout has the masks of the unlabelled part."""
    if data.folder is not None:
        return data.folder.masks.replace("{split}", data.folder.splits["unlabeled"])
    return f"gt*/{data.unlabeled}/*/*_labelIds.png"


def _names(data: DataSettings, sample: Sample) -> list[str]:
    """Stems that the mask of an image may have."""
    if data.folder is not None:
        return [Path(sample.image).stem + data.folder.mask_suffix]
    return [f"{sample.id}_{kind}_labelIds" for kind in ("gtFine", "gtCoarse")]
