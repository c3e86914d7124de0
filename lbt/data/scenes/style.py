"""The style that all scenes of a city share, and the times of day."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from lbt.config import Color
from lbt.data.scenes.canvas import Light

LIGHTS = (
    Light((1.06, 1.03, 0.98), (74, 128, 200), (190, 212, 232), 160.0, -1),
    Light((1.06, 1.03, 0.98), (84, 140, 206), (200, 216, 228), 150.0, 1),
    Light((0.88, 0.91, 0.95), (168, 178, 188), (204, 208, 212), 95.0, 0),
    Light((1.02, 0.86, 0.72), (92, 104, 160), (240, 190, 150), 120.0, 1),
    Light((0.66, 0.70, 0.82), (60, 74, 112), (140, 146, 168), 100.0, 0),
)
"""Sun from the left, sun from the right, overcast, low sun, dusk."""

CAR_PAINTS = (
    (178, 28, 30),
    (28, 60, 140),
    (226, 226, 222),
    (40, 42, 46),
    (150, 154, 160),
    (214, 170, 40),
    (30, 92, 74),
)

_WALLS = (
    ((196, 172, 140), (178, 150, 120), (206, 190, 164), (164, 136, 112)),
    ((166, 92, 74), (148, 84, 70), (182, 118, 92), (140, 100, 84)),
    ((176, 178, 182), (150, 154, 160), (198, 198, 196), (132, 136, 146)),
    ((214, 196, 132), (200, 160, 120), (190, 178, 160), (172, 186, 176)),
)


@dataclass(frozen=True)
class Style:
    """Properties that all scenes of a city share; lengths in metres.

    Attributes:
        road: half the width of the road.
        pavement: width of a pavement.
        verge: width of the grass between pavement and houses.
        storeys: least and greatest height of a house.
        park: share of the roadside that is park instead of houses.
        trees, people, parked, posts: mean number on each side of the street.
        walls: colours of the houses.
        leaf, grass, stone, asphalt, fence, bonnet: colours.
        shows_bonnet: whether the camera sees the bonnet of its own car.
    """

    road: float
    pavement: float
    verge: float
    storeys: tuple[float, float]
    park: float
    trees: float
    people: float
    parked: float
    posts: float
    walls: tuple[Color, ...]
    leaf: Color
    grass: Color
    stone: Color
    asphalt: Color
    fence: Color
    bonnet: Color
    shows_bonnet: bool


def random_style(rng: Random) -> Style:
    """The random style of a city."""
    grey = rng.randint(74, 104)
    stone = rng.choice(((178, 168, 158), (168, 158, 164), (186, 172, 148), (160, 150, 146)))
    return Style(
        road=rng.uniform(3.8, 5.4),
        pavement=rng.uniform(3.0, 4.6),
        verge=rng.choice((0.0, 2.0, 3.5, 5.0)),
        storeys=(rng.uniform(5, 8), rng.uniform(10, 20)),
        park=rng.uniform(0.25, 0.5),
        trees=rng.uniform(1.0, 3.0),
        people=rng.uniform(2.5, 4.5),
        parked=rng.uniform(1.0, 3.0),
        posts=rng.uniform(1.6, 2.8),
        walls=rng.choice(_WALLS),
        leaf=rng.choice(((70, 112, 44), (88, 124, 50), (58, 98, 54), (112, 122, 46))),
        grass=rng.choice(((134, 168, 78), (150, 170, 92), (122, 158, 84))),
        stone=stone,
        asphalt=(grey, grey, grey + 4),
        fence=rng.choice(((150, 106, 66), (128, 92, 62), (172, 132, 90))),
        bonnet=rng.choice(CAR_PAINTS),
        shows_bonnet=rng.random() < 0.4,
    )
