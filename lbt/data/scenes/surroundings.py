"""Draw the surroundings of a street: ground, houses, fences, plants; in metres, x to the right, y up, z ahead."""

from __future__ import annotations

from random import Random

from lbt.config import Color
from lbt.data.scenes.canvas import Canvas, Point
from lbt.data.scenes.labels import BUILDING, FENCE, VEGETATION


def nearest_ground(canvas: Canvas) -> float:
    """Distance in metres of the nearest visible ground, just below the lower edge of the image."""
    camera = canvas.camera
    return 0.95 * camera.focal * camera.height / (canvas.height - camera.horizon)


def draw_ground(canvas: Canvas, left: float, right: float, color: Color, label: int, far: float = 240.0) -> None:
    """Draw a strip of ground along the whole street between two x."""
    draw_quad(canvas, left, right, nearest_ground(canvas), far, color, label)


def draw_quad(canvas: Canvas, left: float, right: float, front: float, back: float, color: Color, label: int) -> None:
    """Draw a rectangle on the ground in several lengths, so that haze increases along it."""
    while front < back:
        end = min(back, front * 1.5)
        canvas.fill_polygon([(left, 0, front), (right, 0, front), (right, 0, end), (left, 0, end)], color, label)
        front = end


def draw_building(
    canvas: Canvas, side: int, x: float, front: float, back: float, height: float, wall: Color, rng: Random
) -> None:
    """Draw a house on one side of the street (-1 left, +1 right), with its facade at distance `x` from the middle."""
    lit = 1.0 - 0.14 * side * canvas.light.sun  # the sun from the right lights the houses on the left
    edge, start = side * x, max(front, 0.5 * nearest_ground(canvas))
    gable = (edge, edge + 14.0 * side)
    roof = (82, 38, 30) if rng.random() < 0.5 else (70, 72, 80)
    eaves = height - rng.uniform(0.9, 1.4)
    canvas.fill_facing(gable, (0, eaves), front, wall, BUILDING, 0.78)
    canvas.fill_facing(gable, (eaves, height), front, roof, BUILDING, 0.85)
    canvas.fill_along(edge, (0, eaves), (start, back), wall, BUILDING, lit)
    canvas.fill_along(edge, (eaves, height), (start, back), roof, BUILDING)
    _draw_windows(canvas, side, edge, front, (start, back), eaves, rng)


def _draw_windows(
    canvas: Canvas, side: int, edge: float, front: float, depths: Point, eaves: float, rng: Random
) -> None:
    """Draw the windows of the facade between two z (depths), and those of the gable at z = front."""
    storey, pitch, sill = rng.uniform(2.8, 3.4), rng.uniform(2.2, 3.2), rng.uniform(0.9, 1.2)
    glass = (58, 74, 92) if rng.random() < 0.7 else (120, 148, 168)
    lamps, shops = rng.random() < 0.25, rng.random() < 0.4
    for floor in range(int(eaves / storey)):
        low = sill + floor * storey
        high = min(low + 0.55 * storey, eaves - 0.2)
        shop = shops and floor == 0
        for number in range(int((depths[1] - depths[0]) / pitch)):
            start = depths[0] + (number + 0.25) * pitch
            color = (236, 206, 130) if lamps and rng.random() < 0.3 else glass
            end = start + (0.68 if shop else 0.5) * pitch
            canvas.fill_along(edge, (0.3 if shop else low, high), (start, end), color, BUILDING)
        for number in range(4):
            corner = edge + side * (number * 3.2 + 1.0)
            canvas.fill_facing((corner, corner + 1.5 * side), (low, high), front, glass, BUILDING, 0.9)


def draw_fence(canvas: Canvas, side: int, x: float, front: float, back: float, paint: Color, height: float) -> None:
    """Draw a fence of boards along the pavement."""
    edge, front = side * x, max(front, 0.5 * nearest_ground(canvas))
    canvas.fill_along(edge, (0, height), (front, back), paint, FENCE, 0.9)
    for number in range(int((back - front) / 0.5)):
        gap = front + 0.5 * number
        canvas.fill_along(edge, (0, height), (gap, gap + 0.12), paint, FENCE, 0.55)
    for level in (0.25 * height, 0.75 * height):
        canvas.fill_along(edge, (level - 0.07, level + 0.07), (front, back), paint, FENCE, 1.15)


def draw_tree(canvas: Canvas, x: float, z: float, height: float, leaf: Color, rng: Random) -> None:
    """Draw a tree: a trunk, and a crown of leaf clusters that is lit from above."""
    trunk, crown = 0.09 + 0.012 * height, 0.3 * height
    canvas.fill_facing((x - trunk, x + trunk), (0, 0.45 * height), z, (84, 62, 44), VEGETATION)
    clusters = [(rng.gauss(0, 0.5), rng.gauss(0, 0.5)) for _ in range(26)]
    for across, up in sorted(clusters, key=lambda cluster: cluster[1]):
        size = crown * rng.uniform(0.28, 0.5)
        place = (x + crown * max(-1.1, min(1.1, across)), 0.67 * height + crown * max(-1.1, min(1.1, up)), z)
        canvas.fill_disc(place, (size, size * 0.85), leaf, VEGETATION, 0.85 + 0.25 * up + rng.uniform(-0.14, 0.14))


def draw_bush(canvas: Canvas, x: float, z: float, size: float, leaf: Color, rng: Random) -> None:
    """Draw a bush on the ground."""
    for _ in range(8):
        radius = size * rng.uniform(0.3, 0.55)
        place = (x + size * rng.uniform(-0.7, 0.7), radius * 0.8 + rng.uniform(0, 0.5) * size, z)
        canvas.fill_disc(place, (radius, radius * 0.9), leaf, VEGETATION, rng.uniform(0.65, 1.05))
