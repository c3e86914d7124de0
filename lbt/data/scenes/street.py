"""Composition of a street scene: which objects it has, and where."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from random import Random

from PIL import Image

from lbt.config import Color
from lbt.data.scenes import labels, surroundings, things
from lbt.data.scenes.canvas import Canvas
from lbt.data.scenes.style import CAR_PAINTS, LIGHTS, Style

Placed = tuple[float, Callable[[], None]]
"""Distance of an object in metres and the call that draws it; far objects are drawn first."""

_FAR = 110.0  # metres; haze hides objects beyond

# For each label, the relative strength of the texture and its grain size as a share of the height.
_TEXTURE = {
    labels.ROAD: (0.05, 0.008),
    labels.SIDEWALK: (0.06, 0.012),
    labels.BUILDING: (0.03, 0.012),
    labels.FENCE: (0.06, 0.012),
    labels.VEGETATION: (0.17, 0.012),
    labels.TERRAIN: (0.13, 0.016),
}


def generate_street(style: Style, height: int, width: int, rng: Random) -> tuple[Image.Image, Image.Image]:
    """Generate one scene of a city.

    Args:
        style: the city.
        height, width: size in pixels.
        rng: source of all randomness.

    Returns:
        The RGB image and the label map (8-bit Cityscapes label ids), both of that size.
    """
    vanishing = (rng.uniform(0.36, 0.64), rng.uniform(0.36, 0.48))
    canvas = Canvas(height, width, rng.uniform(1.5, 2.1), vanishing, rng.choice(LIGHTS))
    canvas.fill_sky(labels.SKY)
    for _ in range(rng.randint(0, 5)):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, 0.7 * canvas.camera.horizon)
        across, up = rng.uniform(0.08, 0.25) * canvas.width, rng.uniform(0.02, 0.07) * canvas.height
        canvas.draw_cloud((x - across, y - up, x + across, y + up), rng.uniform(0.2, 0.6))
    _draw_skyline(canvas, style, rng)
    _draw_ground(canvas, style, rng)
    for layer in (_place_surroundings(canvas, style, rng), _place_traffic(canvas, style, rng)):
        for _, draw in sorted(layer, key=lambda placed: -placed[0]):
            draw()
    if style.shows_bonnet:
        things.draw_bonnet(canvas, style.bonnet)
    return canvas.finish(_TEXTURE, rng.uniform(2.0, 6.0), rng.getrandbits(32))


def _draw_skyline(canvas: Canvas, style: Style, rng: Random) -> None:
    x = -160.0
    while x < 160:
        width = rng.uniform(8, 22)
        if rng.random() < 0.5:
            top, wall = rng.uniform(8, 26), rng.choice(style.walls)
            canvas.fill_facing((x, x + width), (0, top), 200, wall, labels.BUILDING)
        x += width
    for _ in range(36):
        surroundings.draw_bush(canvas, rng.uniform(-110, 110), 150, rng.uniform(4, 9), style.leaf, rng)


def _draw_ground(canvas: Canvas, style: Style, rng: Random) -> None:
    edge, near = style.road + style.pavement, surroundings.nearest_ground(canvas)
    surroundings.draw_ground(canvas, -300, 300, style.grass, labels.TERRAIN)
    for side in (-1, 1):
        inner, outer = sorted((side * style.road, side * edge))
        surroundings.draw_ground(canvas, inner, outer, style.stone, labels.SIDEWALK)
        z = near
        while z < 40:  # joints between the slabs
            joint = _tint(style.stone, 0.82)
            surroundings.draw_quad(canvas, inner, outer, z, z + 0.06 + 0.004 * z, joint, labels.SIDEWALK)
            z += 1.5
    surroundings.draw_ground(canvas, -style.road, style.road, style.asphalt, labels.ROAD)
    for side in (-1, 1):
        inner, outer = sorted((side * style.road, side * (style.road + 0.22)))
        surroundings.draw_ground(canvas, inner, outer, (196, 194, 190), labels.SIDEWALK)
    paint = (226, 224, 214)
    start = near - rng.uniform(0, 6)
    while start < _FAR:
        if start + 3 > near:
            surroundings.draw_quad(canvas, -0.1, 0.1, max(start, near), start + 3, paint, labels.ROAD)
        start += 6.5
    if rng.random() < 0.35:
        z, x = rng.uniform(7, 22), -style.road + 0.4
        while x < style.road - 0.6:
            surroundings.draw_quad(canvas, x, x + 0.5, z, z + 3, paint, labels.ROAD)
            x += 1.0


def _place_surroundings(canvas: Canvas, style: Style, rng: Random) -> list[Placed]:
    """Houses and parks on both sides of the street."""
    placed: list[Placed] = []
    x = style.road + style.pavement + style.verge
    for side in (-1, 1):
        z = rng.uniform(-8.0, 0.0)
        while z < _FAR:
            end = z + rng.uniform(9, 20)
            front = max(z, 0.6 * surroundings.nearest_ground(canvas))
            if end > front + 2 and rng.random() < style.park:
                placed += _place_park(canvas, style, side, front, end, rng)
            elif end > front + 2:
                top, own = rng.uniform(*style.storeys), Random(rng.getrandbits(32))
                wall = _tint(rng.choice(style.walls), rng.uniform(0.88, 1.1))
                back = end - rng.choice((0.0, 0.0, 1.5))
                draw = partial(surroundings.draw_building, canvas, side, x, front, back, top, wall, own)
                placed.append((front, draw))
            z = end
    return placed


def _place_park(canvas: Canvas, style: Style, side: int, front: float, end: float, rng: Random) -> list[Placed]:
    edge = style.road + style.pavement
    placed: list[Placed] = []
    for _ in range(rng.randint(2, 6)):
        x, z = side * (edge + rng.uniform(3.5, 16)), rng.uniform(max(front, 3.0), end)
        leaf, own = _tint(style.leaf, rng.uniform(0.85, 1.15)), Random(rng.getrandbits(32))
        if rng.random() < 0.7:
            placed.append((z, partial(surroundings.draw_tree, canvas, x, z, rng.uniform(5, 10), leaf, own)))
        else:
            placed.append((z, partial(surroundings.draw_bush, canvas, x, z, rng.uniform(0.8, 1.6), leaf, own)))
    if rng.random() < 0.65:
        high = rng.uniform(1.0, 1.9)
        draw = partial(surroundings.draw_fence, canvas, side, edge + 0.1, front, end, style.fence, high)
        placed.append((front, draw))
    return placed


def _place_traffic(canvas: Canvas, style: Style, rng: Random) -> list[Placed]:
    """Everything on road and pavement; no house or park can cover it."""
    placed: list[Placed] = []
    edge, close = style.road + style.pavement, 1.1 * surroundings.nearest_ground(canvas)
    for side in (-1, 1):
        curb = side * (style.road + 0.6)
        for _ in range(_sample_poisson(style.trees, rng)):
            z, leaf = rng.uniform(close + 3, 60), _tint(style.leaf, rng.uniform(0.85, 1.15))
            own = Random(rng.getrandbits(32))
            placed.append((z, partial(surroundings.draw_tree, canvas, curb, z, rng.uniform(4.5, 8), leaf, own)))
        height, paint = rng.uniform(5.5, 8), rng.choice(((92, 96, 98), (60, 72, 66), (136, 140, 142)))
        for z in _sample_distances(style.posts, close + 1.5, 45, rng):
            placed.append((z, partial(things.draw_lamp_post, canvas, side, curb, z, height, paint)))
        for z in _sample_distances(style.posts, close + 1.0, 30, rng):
            placed.append((z, partial(things.draw_sign_post, canvas, curb, z, Random(rng.getrandbits(32)))))
        if rng.random() < 0.3:
            z = rng.uniform(close + 2, 25)
            placed.append((z, partial(things.draw_bin, canvas, side * (edge - 0.5), z, (70, 78, 72))))
        for _ in range(_sample_poisson(style.people, rng)):
            x, z = side * rng.uniform(style.road + 0.5, edge - 0.2), rng.uniform(close + 1, 24)
            placed.append((z, partial(things.draw_person, canvas, x, z, Random(rng.getrandbits(32)))))
        for z in _sample_distances(style.parked, close, 60, rng, gap=5.2):
            placed.append((z, _plan_car(canvas, side * (style.road - 1.05), z, ahead=side > 0, rng=rng)))
        for z in _sample_distances(0.7, close + 4, 70, rng, gap=9.0):
            placed.append((z, _plan_car(canvas, side * 0.3 * style.road, z, ahead=side > 0, rng=rng)))
    if rng.random() < 0.3:
        x, z = rng.uniform(-style.road, style.road), rng.uniform(close + 2, 20)
        placed.append((z, partial(things.draw_person, canvas, x, z, Random(rng.getrandbits(32)))))
    return placed


def _plan_car(canvas: Canvas, x: float, z: float, *, ahead: bool, rng: Random) -> Callable[[], None]:
    return partial(things.draw_car, canvas, x, z, rng.choice(CAR_PAINTS), ahead, Random(rng.getrandbits(32)))


def _sample_distances(mean: float, front: float, back: float, rng: Random, gap: float = 4.0) -> list[float]:
    """Random distances from front to back, denser near the camera and at least `gap` metres apart."""
    distances: list[float] = []
    for _ in range(_sample_poisson(mean, rng)):
        z = front * (back / front) ** rng.random()
        if all(abs(z - other) >= gap for other in distances):
            distances.append(z)
    return distances


def _sample_poisson(mean: float, rng: Random) -> int:
    count, product = 0, rng.random()
    while product > math.exp(-mean):
        count, product = count + 1, product * rng.random()
    return count


def _tint(color: Color, factor: float) -> Color:
    red, green, blue = (min(255, round(value * factor)) for value in color)
    return red, green, blue
