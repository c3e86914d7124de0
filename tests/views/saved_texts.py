"""Every text of a saved figure, with its place in the SVG and in the PNG."""

from dataclasses import dataclass
from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from lbt.views.figures.style import save, use_style

SLACK = 1.5
"""Pixels by which the box of a text may exceed its place; the box has room for letters that the text lacks."""


@dataclass(frozen=True)
class Saved:
    """A text, its box in pixels, and the width and height of the canvas."""

    text: str
    box: Bbox
    canvas: tuple[float, float]

    @property
    def place(self) -> tuple[float, float]:
        """The centre, as shares of the canvas."""
        return tuple(((self.box.min + self.box.max) / 2 / self.canvas).tolist())


def saved_texts(make, folder) -> dict[str, list[Saved]]:
    """The texts of the figure that `make` returns, by format, in the order in which they are drawn."""
    found = {"svg": {}, "png": {}}  # matplotlib draws a figure twice, the first time without output
    draw = Text.draw

    def recorded(self, renderer):
        if self.get_visible() and self.get_text().strip():
            kind = "png" if isinstance(renderer, RendererAgg) else "svg"
            size = tuple(self.get_figure(root=True).bbox.size)
            found[kind][self] = Saved(self.get_text(), self.get_window_extent(renderer), size)
        draw(self, renderer)

    with pytest.MonkeyPatch.context() as patch, use_style():
        figure = make()
        patch.setattr(Text, "draw", recorded)
        save(figure, folder / "figure")
    return {kind: list(texts.values()) for kind, texts in found.items()}


def check_layout(make, folder) -> list[str]:
    """Assert that all texts are inside the canvas, that none overlap, and that both formats agree; return the texts.

    No axis may have an offset or a factor beside it, because that moves its title.
    """
    figures = []
    found = saved_texts(lambda: figures.append(make()) or figures[0], folder)
    offsets = [axis.get_offset_text() for axes in figures[0].axes for axis in (axes.xaxis, axes.yaxis)]
    assert not any(offset.get_text() for offset in offsets)
    for kind, texts in found.items():
        for one in texts:
            inside = one.box.x0 > -SLACK and one.box.y0 > -SLACK
            inside &= one.box.x1 < one.canvas[0] + SLACK and one.box.y1 < one.canvas[1] + SLACK
            assert inside, (kind, one)
        for one, other in combinations(texts, 2):
            common = Bbox.intersection(one.box, other.box)
            assert common is None or min(common.width, common.height) < SLACK, (kind, one, other)
    assert [one.text for one in found["svg"]] == [one.text for one in found["png"]]
    for one, other in zip(found["svg"], found["png"], strict=True):
        assert one.place == pytest.approx(other.place, abs=0.005), (one, other)
    return [one.text for one in found["png"]]
