"""A canvas that paints the image and its label map together, as a pinhole camera sees them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lbt.config import Color

Point = tuple[float, float]
Space = tuple[float, float, float]

_OVERSAMPLING = 2


@dataclass(frozen=True)
class Camera:
    """A camera that looks along the street.

    Attributes:
        focal: focal length in pixels of the canvas.
        center: column of the vanishing point.
        horizon: row of the horizon.
        height: height above the road in metres.
    """

    focal: float
    center: float
    horizon: float
    height: float

    def project(self, point: Space) -> Point:
        """Column and row of a point (x metres to the right, y above the road, z ahead; z > 0)."""
        x, y, z = point
        return self.center + self.focal * x / z, self.horizon + self.focal * (self.height - y) / z


@dataclass(frozen=True)
class Light:
    """The time of day.

    Attributes:
        gain: factor on red, green and blue of everything below the sky.
        zenith: colour of the sky at the top of the picture.
        haze: colour of the sky at the horizon and of distant objects.
        sight: distance in metres at which haze covers 63 % of a colour.
        sun: side from which the sun shines, -1 left or +1 right; 0 for an overcast sky.
    """

    gain: tuple[float, float, float]
    zenith: Color
    haze: Color
    sight: float
    sun: int


class Canvas:
    """Image and label map at twice the final size; later shapes cover earlier ones.

    `vanishing` is the vanishing point of the street, as shares of width and height.
    """

    def __init__(self, height: int, width: int, camera_height: float, vanishing: Point, light: Light) -> None:
        self.height, self.width, self.light = height * _OVERSAMPLING, width * _OVERSAMPLING, light
        self.camera = Camera(
            0.8 * max(self.width, self.height), self.width * vanishing[0], self.height * vanishing[1], camera_height
        )
        self.image = Image.new("RGB", (self.width, self.height))
        self.label = Image.new("L", (self.width, self.height))
        self._paint, self._mark = ImageDraw.Draw(self.image), ImageDraw.Draw(self.label)

    def shade(self, color: Sequence[float], z: float, factor: float = 1.0) -> Color:
        """The colour of a surface at distance z under this light; `factor` darkens or brightens it."""
        clear = float(np.exp(-z / self.light.sight))
        mixed = (
            clear * value * factor * gain + (1 - clear) * haze
            for value, gain, haze in zip(color, self.light.gain, self.light.haze, strict=True)
        )
        red, green, blue = (round(min(255.0, max(0.0, value))) for value in mixed)
        return red, green, blue

    def fill_sky(self, label: int) -> None:
        """Fill the canvas with the gradient of the sky."""
        rise = np.linspace(0, 1, max(2, round(self.camera.horizon)))[:, None, None] ** 0.8
        rows = (1 - rise) * np.array(self.light.zenith) + rise * np.array(self.light.haze)
        full = np.broadcast_to(np.array(self.light.haze, float), (self.height, self.width, 3)).copy()
        count = min(len(rows), self.height)
        full[:count] = rows[:count]
        self.image.paste(Image.fromarray(full.astype(np.uint8)))
        self.label.paste(label, (0, 0, self.width, self.height))

    def fill_polygon(self, corners: Sequence[Space], color: Sequence[float], label: int, factor: float = 1.0) -> None:
        """Fill a polygon in space; haze is computed at its mean distance."""
        z = sum(corner[2] for corner in corners) / len(corners)
        points = [self.camera.project(corner) for corner in corners]
        self._paint.polygon(points, fill=self.shade(color, z, factor))
        self._mark.polygon(points, fill=label)

    def fill_facing(
        self, columns: Point, rows: Point, z: float, color: Sequence[float], label: int, factor: float = 1.0
    ) -> None:
        """Fill an upright rectangle that faces the camera, between two x (columns) and two y (rows)."""
        (left, right), (low, high) = columns, rows
        corners = [(left, low, z), (right, low, z), (right, high, z), (left, high, z)]
        self.fill_polygon(corners, color, label, factor)

    def fill_along(
        self, x: float, rows: Point, depths: Point, color: Sequence[float], label: int, factor: float = 1.0
    ) -> None:
        """Fill an upright rectangle along the street, between two y (rows) and two z (depths)."""
        (low, high), (front, back) = rows, depths
        corners = [(x, low, front), (x, low, back), (x, high, back), (x, high, front)]
        self.fill_polygon(corners, color, label, factor)

    def fill_disc(
        self, center: Space, radius: Point, color: Sequence[float], label: int, factor: float = 1.0, sides: int = 0
    ) -> None:
        """Fill an ellipse that faces the camera, or a regular polygon of `sides` corners; radii in metres."""
        x, y, z = center
        if sides:
            angles = [np.pi * (2 * corner / sides - 0.5) for corner in range(sides)]
            corners = [(x + radius[0] * np.cos(a), y - radius[1] * np.sin(a), z) for a in angles]
            self.fill_polygon(corners, color, label, factor)
            return
        left, top = self.camera.project((x - radius[0], y + radius[1], z))
        right, bottom = self.camera.project((x + radius[0], y - radius[1], z))
        self._paint.ellipse((left, top, right, bottom), fill=self.shade(color, z, factor))
        self._mark.ellipse((left, top, right, bottom), fill=label)

    def draw_cloud(self, box: tuple[float, float, float, float], opacity: float) -> None:
        """Lighten an ellipse of the sky; the label map does not change."""
        veil = Image.new("L", self.image.size)
        ImageDraw.Draw(veil).ellipse(box, fill=round(255 * opacity))
        veil = veil.filter(ImageFilter.BoxBlur(self.height / 60))
        self.image.paste((238, 240, 242), mask=veil)

    def draw_shadow(self, columns: Point, depths: Point, strength: float) -> None:
        """Darken a rectangle on the ground of the image; the label map does not change."""
        (x, x_end), (z, z_end) = columns, depths
        points = [self.camera.project((x, 0, z)) for x, z in ((x, z), (x_end, z), (x_end, z_end), (x, z_end))]
        left, top = (math.floor(min(values)) for values in zip(*points, strict=True))
        right, bottom = (math.ceil(max(values)) for values in zip(*points, strict=True))
        veil = Image.new("L", (right - left + 1, bottom - top + 1))
        ImageDraw.Draw(veil).polygon([(x - left, y - top) for x, y in points], fill=round(255 * strength))
        self.image.paste((14, 14, 18), (left, top), veil)

    def finish(
        self, texture: dict[int, tuple[float, float]], noise: float, seed: int
    ) -> tuple[Image.Image, Image.Image]:
        """Add surface texture, halve the size and add sensor noise.

        Args:
            texture: for each label, the relative strength of the texture and its grain size as a share of the height.
            noise: standard deviation of the sensor noise in grey levels.
            seed: seed of texture and noise.

        Returns:
            The RGB image and the label map, both at the final size.
        """
        generator = np.random.default_rng(seed)
        pixels = np.asarray(self.image, np.float32)
        labels = np.asarray(self.label)
        strength = np.zeros(256, np.float32)
        for label, (amount, _) in texture.items():
            strength[label] = amount
        relief = np.zeros(labels.shape, np.float32)
        for grain in sorted({grain for _, grain in texture.values()}):
            members = [label for label, (_, size) in texture.items() if size == grain]
            relief = np.where(np.isin(labels, members), self._make_grain(generator, grain), relief)
        pixels = pixels * (1 + strength[labels] * relief)[..., None]
        size = (self.width // _OVERSAMPLING, self.height // _OVERSAMPLING)
        small = Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.BOX)
        noisy = np.asarray(small, np.float32) + generator.normal(0, noise, (size[1], size[0], 3)).astype(np.float32)
        reduced = labels[::_OVERSAMPLING, ::_OVERSAMPLING]
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)), Image.fromarray(reduced.copy())

    def _make_grain(self, generator: np.random.Generator, share: float) -> np.ndarray:
        cell = max(1.0, share * self.height)
        shape = (max(2, round(self.height / cell)), max(2, round(self.width / cell)))
        coarse = Image.fromarray(generator.normal(0, 1, shape).astype(np.float32))
        return np.asarray(coarse.resize((self.width, self.height), Image.Resampling.BILINEAR))
