"""Draw the objects on a street: cars, people, posts; in metres, x to the right, y up, z ahead of the camera."""

from __future__ import annotations

from random import Random

from lbt.config import Color
from lbt.data.scenes.canvas import Canvas, Point, Space
from lbt.data.scenes.labels import CAR, EGO, PERSON, POLE, SIGN, STATIC
from lbt.data.scenes.surroundings import nearest_ground

CLOTHES = ((190, 40, 50), (40, 70, 160), (230, 200, 60), (240, 240, 236), (60, 130, 80), (130, 60, 130), (230, 120, 40))
SKINS = ((236, 196, 166), (198, 148, 112), (128, 86, 60), (84, 56, 42))
TROUSERS = ((38, 42, 60), (60, 58, 56), (98, 86, 66), (36, 36, 38))
HAIRS = ((40, 28, 20), (110, 76, 40), (160, 150, 140), (20, 18, 18))
SIGN_PAINTS = ((206, 24, 30), (20, 80, 190), (244, 200, 20))

_OCTAGON = ((1, 0.4), (0.4, 1), (-0.4, 1), (-1, 0.4), (-1, -0.4), (-0.4, -1), (0.4, -1), (1, -0.4))


def draw_car(canvas: Canvas, x: float, z: float, paint: Color, ahead: bool, rng: Random) -> None:
    """Draw a car with its near end at distance z: its rear if it drives `ahead`, else its front."""
    half, waist, back = 0.9, 0.88, z + 4.2
    roof = rng.uniform(1.4, 1.75)
    glass = (96, 116, 132) if rng.random() < 0.4 else (44, 54, 66)
    canvas.draw_shadow((x - 1.1, x + 1.1), (z - 0.25, back), 0.55)
    _draw_car_side(canvas, x - half if x > 0 else x + half, x, (z, back), (waist, roof), paint, glass)
    slope, top, rear = z + 0.75, 0.78 * half, back - 1.7
    edge = [(x + top, roof, slope), (x - top, roof, slope)]
    canvas.fill_polygon([(x - top, roof, rear), (x + top, roof, rear), *edge], paint, CAR, 1.1)
    canvas.fill_polygon([(x - half, waist, z), (x + half, waist, z), *edge], paint, CAR, 0.95)
    pane, high = (waist + 0.05, z + 0.06), (roof - 0.1, slope - 0.1)
    canvas.fill_polygon([(x - 0.75, *pane), (x + 0.75, *pane), (x + 0.63, *high), (x - 0.63, *high)], glass, CAR)
    for wheel in (x - 0.68, x + 0.68):
        canvas.fill_facing((wheel - 0.14, wheel + 0.14), (0, 0.4), z, (18, 18, 20), CAR)
    canvas.fill_facing((x - half, x + half), (0.27, waist), z, paint, CAR)
    canvas.fill_facing((x - half, x + half), (0.27, 0.42), z, (26, 30, 36), CAR)
    for lamp in (x - 0.84, x + 0.52):
        canvas.fill_facing((lamp, lamp + 0.32), (0.62, 0.8), z, (216, 30, 26) if ahead else (250, 246, 220), CAR, 1.1)
    canvas.fill_facing((x - 0.26, x + 0.26), (0.48, 0.6), z, (232, 232, 224), CAR)


def _draw_car_side(
    canvas: Canvas, x: float, middle: float, depths: Point, heights: Point, paint: Color, glass: Color
) -> None:
    """Draw the side of a car that faces the middle of the street; the roof is narrower than the body."""
    (z, back), (waist, roof) = depths, heights
    taper = 0.78 * x + 0.22 * middle
    canvas.fill_along(x, (0.3, waist), (z, back), paint, CAR, 0.8)
    roof_edge = [(taper, roof, back - 1.7), (taper, roof, z + 0.75)]
    canvas.fill_polygon([(x, waist, z), (x, waist, back), *roof_edge], paint, CAR, 0.85)
    low, high = waist + 0.05, roof - 0.1
    pane = [(x, low, z + 0.35), (x, low, back - 0.7), (taper, high, back - 1.8), (taper, high, z + 0.9)]
    canvas.fill_polygon(pane, glass, CAR, 0.9)
    for axle in (z + 0.75, back - 0.85):
        for radius, color in ((0.32, (20, 20, 22)), (0.15, (130, 132, 136))):
            wheel = [(x, 0.3 + radius * up, axle + radius * forward) for forward, up in _OCTAGON]
            canvas.fill_polygon(wheel, color, CAR)


def draw_person(canvas: Canvas, x: float, z: float, rng: Random) -> None:
    """Draw a walking person."""
    height, stride = rng.uniform(1.5, 1.9), rng.uniform(0.04, 0.26)
    coat, skin, legs, hair = (rng.choice(paints) for paints in (CLOTHES, SKINS, TROUSERS, HAIRS))
    hip, neck = 0.48 * height, 0.84 * height
    canvas.draw_shadow((x - 0.35, x + 0.35), (z - 0.15, z + 0.3), 0.4)
    for foot in (x - stride, x + stride):
        _draw_limb(canvas, (x, hip, 0.12), (foot, 0, 0.09), z, legs)
    for arm in (-1, 1):
        _draw_limb(canvas, (x + 0.2 * arm, neck, 0.07), (x + arm * (0.3 + 0.5 * stride), hip, 0.06), z, coat, 0.8)
    _draw_limb(canvas, (x, neck, 0.24), (x, hip - 0.08, 0.19), z, coat)
    canvas.fill_disc((x, 0.92 * height, z), (0.12, 0.15), skin, PERSON)
    canvas.fill_disc((x, 0.955 * height, z), (0.125, 0.09), hair, PERSON)


def _draw_limb(canvas: Canvas, top: Space, end: Space, z: float, paint: Color, factor: float = 1.0) -> None:
    """Draw a part of a body between two (x, y, half width)."""
    (x, y, half), (x_end, y_end, half_end) = top, end
    corners = [(x - half, y, z), (x + half, y, z), (x_end + half_end, y_end, z), (x_end - half_end, y_end, z)]
    canvas.fill_polygon(corners, paint, PERSON, factor)


def draw_lamp_post(canvas: Canvas, side: int, x: float, z: float, height: float, paint: Color) -> None:
    """Draw a street lamp with its arm over the road."""
    _draw_post(canvas, x, z, height, paint, 0.13)
    tip = x - side * 1.7
    arm = [(x, height, z), (tip, height + 0.25, z), (tip, height + 0.1, z), (x, height - 0.16, z)]
    canvas.fill_polygon(arm, paint, POLE)
    canvas.fill_disc((tip, height + 0.1, z), (0.4, 0.12), (226, 226, 214), POLE)


def draw_sign_post(canvas: Canvas, x: float, z: float, rng: Random) -> None:
    """Draw a traffic sign on its pole: a disc or a polygon."""
    height = rng.uniform(2.3, 2.9)
    _draw_post(canvas, x, z, height, (132, 136, 140), 0.09)
    paint, size = rng.choice(SIGN_PAINTS), rng.uniform(0.5, 0.68)
    sides = rng.choice((0, 0, 3, 4, 8))
    canvas.fill_disc((x, height, z), (size, size), paint, SIGN, 1.1, sides)
    canvas.fill_disc((x, height, z), (size * 0.58, size * 0.58), (240, 240, 236), SIGN, 1.0, sides)
    if rng.random() < 0.5:
        canvas.fill_disc((x, height, z), (size * 0.26, size * 0.3), (26, 26, 30), SIGN)


def draw_bin(canvas: Canvas, x: float, z: float, paint: Color) -> None:
    """Draw a litter bin: a static object of no evaluated class."""
    canvas.fill_facing((x - 0.28, x + 0.28), (0, 0.95), z, paint, STATIC)
    canvas.fill_facing((x - 0.33, x + 0.33), (0.9, 1.05), z, paint, STATIC, 0.6)


def draw_bonnet(canvas: Canvas, paint: Color) -> None:
    """Draw the bonnet of the car that carries the camera, at the lower edge of the image."""
    z = nearest_ground(canvas)
    half = canvas.width / canvas.camera.focal * z * 0.42
    canvas.fill_disc((0.0, -0.06, z), (half, 0.22), paint, EGO, 0.6)


def _draw_post(canvas: Canvas, x: float, z: float, height: float, paint: Color, half: float) -> None:
    """Draw a round post, one half of it in shade."""
    canvas.fill_facing((x - half, x + half), (0, height), z, paint, POLE)
    canvas.fill_facing((x, x + half), (0, height), z, paint, POLE, 0.65)
