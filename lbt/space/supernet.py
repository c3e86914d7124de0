"""The supernet: every cell, operator and width of the search space with shared weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn

from lbt.config import SpaceSettings
from lbt.space.architecture import PREDECESSORS, alpha_row, beta_row, probabilities, scales_at
from lbt.space.decoder import SupernetDecoder
from lbt.space.operators import MixedOperator
from lbt.space.padding import crop_logits, pad_images
from lbt.space.stem import Stem
from lbt.space.widths import Widths, channel_choices


def edges_from(layer: int, scale: int, layers: int) -> tuple[tuple[str, int], ...]:
    """Edges that leave the cell at `layer`: (`keep`, scale) and, where it exists, (`down`, 2 * scale)."""
    keep, down = ("keep", scale), ("down", 2 * scale)
    return (keep, down) if scale < 32 and layer < layers - 1 else (keep,)


class Supernet(nn.Module):
    """FasterSeg's supernet (Chen et al., ICLR 2020, section 3), a function of weights, architecture, widths and images.

    The feature that enters layer l at scale s mixes its predecessors before the cell, I = beta_down * O_down +
    beta_keep * O_keep, and the cell runs its operators once on I (section 3.2; the release runs each cell twice).
    With straight-through widths, an edge's output is multiplied by the factors of the two features that it joins.

    State-dict names read `cells.<layer>.<scale>.<keep or down>.<operator>. ...`, besides `stem` and `decoder`.

    Args:
        space: the search space.
        num_classes: number of classes C.
    """

    def __init__(self, space: SpaceSettings, num_classes: int):
        super().__init__()
        self.space = space
        self.stem = Stem(space)
        self.cells = nn.ModuleList()
        for layer in range(space.layers):
            cells = nn.ModuleDict()
            for scale in scales_at(layer):
                cells[str(scale)] = nn.ModuleDict(
                    {
                        name: MixedOperator(
                            channel_choices(space, layer, scale),
                            channel_choices(space, layer + 1, target),
                            target // scale,
                        )
                        for name, target in edges_from(layer, scale, space.layers)
                    }
                )
            self.cells.append(cells)
        self.decoder = SupernetDecoder(space, num_classes)

    def forward(self, images: Tensor, architecture: Mapping[str, Tensor], widths: Widths) -> tuple[Tensor, ...]:
        """Logits of the five predictions, in the order of `lbt.space.decoder.OUTPUTS`; the first is the main one.

        Args:
            images: (B, 3, H, W), normalised; any H and W from 32 up.
            architecture: logits alpha and beta (gamma acts through `widths`).
            widths: one width per feature.

        Returns:
            Five tensors (B, C, ceil(H / 8), ceil(W / 8)). Logit (i, j) belongs to the pixels from (8i, 8j) to
            (8i + 7, 8j + 7); `lbt.losses.upsample` brings them to (H, W).
        """
        size = (images.shape[-2], images.shape[-1])
        outputs = self.decoder(*self.features(pad_images(images), architecture, widths).values())
        return tuple(crop_logits(logits, size, 8) for logits in outputs)

    def features(self, images: Tensor, architecture: Mapping[str, Tensor], widths: Widths) -> dict[int, Tensor]:
        """The last layer's outputs: scale s -> (B, channels, H / s, W / s) for H and W multiples of 32."""
        weights = probabilities(architecture)
        # One transfer tells the host which weights are zero; asking tensor by tensor would stall a GPU at each cell.
        values = {key: tensor.detach().tolist() for key, tensor in weights.items()}
        entering = {8: self.stem(images)}
        for layer, cells in enumerate(self.cells):
            leaving: dict[int, list[Tensor]] = {}
            for scale, x in entering.items():
                key, row = f"alpha.{scale}", alpha_row(layer, scale)
                for edge, target in edges_from(layer, scale, self.space.layers):
                    factors = [widths.factor(layer, scale), widths.factor(layer + 1, target)]
                    if self._has_two_predecessors(layer + 1, target):
                        place = beta_row(layer + 1, target), PREDECESSORS.index(edge)
                        if values[f"beta.{target}"][place[0]][place[1]] == 0:
                            continue
                        factors.append(weights[f"beta.{target}"][place])
                    # The factors scale the five weights instead of a whole feature.
                    scaled = reduce(torch.mul, (factor for factor in factors if factor is not None), weights[key][row])
                    output = cells[str(scale)][edge](x, scaled, values[key][row], widths.index(layer + 1, target))
                    leaving.setdefault(target, []).append(output)
            entering = {scale: reduce(torch.add, parts) for scale, parts in sorted(leaving.items())}
        return entering

    def _has_two_predecessors(self, layer: int, scale: int) -> bool:
        return scale > 8 and beta_row(layer, scale) >= 0 and layer < self.space.layers
