"""Names, colours and ignored values that are proposed for what masks hold."""

from collections import Counter
from pathlib import Path

import pytest

from lbt.data.classes import CITYSCAPES_LABELS
from lbt.errors import LbtError
from lbt.own_data.class_file import read_class_file
from lbt.own_data.classes import propose_classes
from lbt.own_data.known_classes import KNOWN_SETS, program_color
from lbt.own_data.survey import Survey

FILE = Path("classes.txt")
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
ROAD, CAR, SKY = (128, 64, 128), (0, 0, 142), (70, 130, 180)


def survey(values, palette=None, masks=1):
    """A survey of one mask with so many pixels of each value, of `masks` masks."""
    kind = "color" if isinstance(next(iter(values)), tuple) else "id"
    return Survey(kind, {"a.jpg": dict(values)}, palette or {}, Counter({(48, 64): 1}), None, masks)


def proposed(values, palette=None, paths="/data/photos masks/a.png", lines=None, tmp_path=None, masks=1):
    given = None
    if lines is not None:
        (tmp_path / FILE).write_text("\n".join(lines))
        given = read_class_file(tmp_path / FILE)
    return propose_classes(survey(values, palette, masks), paths, given, FILE)


def named(found):
    return {one.name: one.value for one in found.classes}


@pytest.mark.parametrize(
    ("values", "wanted", "ignored"),
    [
        ({0: 9, 255: 1}, {"background": 0, "object": 255}, []),
        ({0: 9, 1: 1}, {"background": 0, "object": 1}, []),
        ({0: 9, 1: 1, 255: 2}, {"background": 0, "object": 1}, [255]),
        ({1: 9, 3: 1, 7: 1}, {"class 1": 1, "class 3": 3, "class 7": 7}, []),
        ({BLACK: 50, WHITE: 50}, {"background": BLACK, "object": WHITE}, []),
        ({BLACK: 5, ROAD: 50, CAR: 45}, {"class 0": ROAD, "class 1": CAR}, [BLACK]),
        ({BLACK: 60, ROAD: 30, CAR: 10}, {"class 0": BLACK, "class 1": ROAD, "class 2": CAR}, []),
    ],
)
def test_values_without_names(values, wanted, ignored):
    found = proposed(values)
    assert named(found) == wanted and list(found.ignored) == ignored and found.source == ""
    assert len({one.color for one in found.classes}) == len(wanted)


def test_shares_are_those_of_the_pixels():
    found = proposed({0: 75, 1: 20, 255: 5})
    assert [one.share for one in found.classes] == [0.75, 0.2] and [one.masks for one in found.classes] == [1, 1]


def test_colours_of_cityscapes_are_recognised():
    found = proposed({ROAD: 5, CAR: 3, SKY: 2, BLACK: 1})
    assert named(found) == {"road": ROAD, "car": CAR, "sky": SKY} and list(found.ignored) == [BLACK]
    assert found.source.startswith("Cityscapes")


def test_other_colours_are_not():
    assert proposed({ROAD: 5, CAR: 3, SKY: 2, (1, 2, 3): 1}).source == ""
    assert proposed({ROAD: 5, CAR: 3, BLACK: 1}).source == ""  # two colours may be anybody's


def test_ids_take_the_names_of_the_colours_in_their_palette():
    found = proposed({0: 5, 4: 3, 9: 2}, palette={0: ROAD, 4: CAR, 9: SKY})
    assert named(found) == {"road": 0, "car": 4, "sky": 9}
    assert [one.color for one in found.classes] == [ROAD, CAR, SKY]


def test_ids_alone_need_the_names_of_files():
    values = dict.fromkeys(range(12), 1)
    assert proposed(values).source == ""
    found = proposed(values, paths="/data/CamVid/trainannot/a.png")
    assert named(found)["bicyclist"] == 10 and list(found.ignored) == [11]
    cityscapes = proposed({7: 4, 26: 3, 0: 1}, paths="/data/gtFine/ulm_gtFine_labelIds.png")
    assert named(cityscapes) == {"road": 7, "car": 26} and list(cityscapes.ignored) == [0]
    train_ids = proposed({0: 4, 13: 3, 255: 1}, paths="/data/gtFine/ulm_gtFine_labelTrainIds.png")
    assert named(train_ids) == {"road": 0, "car": 13} and list(train_ids.ignored) == [255]


def test_masks_that_were_not_read_may_hold_the_other_ids_of_a_known_set():
    found = proposed({7: 4, 26: 3, 0: 1}, paths="/data/gtFine/ulm_gtFine_labelIds.png", masks=2)
    assert set(found.ignored) == {*range(34)} - {7, 26}


def test_the_palette_of_labelling_programs_names_nothing_alone():
    values = {0: 5, 1: 3, 2: 2, 3: 1}
    palette = {index: program_color(index) for index in values}
    assert proposed(values, palette).source == ""
    found = proposed(values, palette, "/data/VOCdevkit/VOC2012/SegmentationClass/a.png")
    assert list(named(found)) == ["background", "aeroplane", "bicycle", "bird"]
    assert proposed(values | {255: 1}, palette | {255: (224, 224, 192)}).source == "PASCAL VOC"


@pytest.mark.parametrize(
    ("values", "lines", "wanted", "ignored"),
    [
        ({0: 5, 1: 3}, ["road", "car", "bus"], {"road": 0, "car": 1}, []),
        ({0: 5, 1: 3, 2: 1}, ["road", "car"], {"road": 0, "car": 1}, [2]),
        ({0: 5, 255: 3}, ["nothing", "crack"], {"nothing": 0, "crack": 255}, []),
        ({1: 5, 2: 3, 255: 1}, ["# names", "", "road", "car"], {"road": 1, "car": 2}, [255]),
        ({3: 5, 9: 3}, ["9,car", "3,road"], {"car": 9, "road": 3}, []),
        ({ROAD: 5, CAR: 3, BLACK: 1}, [",road,#804080", ",car,0 0 142"], {"road": ROAD, "car": CAR}, [BLACK]),
    ],
)
def test_the_users_names(tmp_path, values, lines, wanted, ignored):
    found = proposed(values, lines=lines, tmp_path=tmp_path)
    assert named(found) == wanted and list(found.ignored) == ignored
    assert found.source == "classes.txt" + (" without bus, which no mask shows" if "bus" in lines else "")


def test_masks_that_were_not_read_may_show_a_class_of_the_user(tmp_path):
    found = proposed({0: 5, 1: 3}, lines=["0,road", "1,car", "2,bus"], tmp_path=tmp_path, masks=2)
    assert found.source == "classes.txt without bus, which no mask that was read shows"


def test_the_users_colours(tmp_path):
    found = proposed({0: 5, 1: 3}, lines=["0,road,#010203", "1,car"], tmp_path=tmp_path)
    assert found.classes[0].color == (1, 2, 3)


@pytest.mark.parametrize(
    ("values", "lines", "said"),
    [
        ({ROAD: 5, CAR: 3}, ["road", "car"], r"line 1: road has no colour.*,NAME,#804080"),
        ({0: 5, 1: 3}, [",road,#804080", ",car,#000001"], "line 1: road has no id"),
        ({0: 5, 1: 3}, ["5,road", "6,car"], r"hold 0 class\(es\).*0 \(62.5 %\)"),
    ],
)
def test_names_that_do_not_fit(tmp_path, values, lines, said):
    with pytest.raises(LbtError, match=said):
        proposed(values, lines=lines, tmp_path=tmp_path)


def test_one_value_is_too_few():
    with pytest.raises(LbtError, match=r"hold 1 class\(es\), two are needed"):
        proposed({0: 5})


def test_smooth_edges_are_refused():
    edges = {(number, number, 9): 1 for number in range(60)}
    with pytest.raises(LbtError, match=r"62 colours, of which 60 cover less than 0.01 % .* smoothed"):
        proposed({BLACK: 10**6, WHITE: 10**6, **edges})
    with pytest.raises(LbtError, match="grey values"):
        proposed({0: 10**6, 255: 10**6} | dict.fromkeys(range(20, 90), 1))


@pytest.mark.parametrize("sign", [",", ";", "\t", " ; "])
def test_fields_may_have_a_comma_semicolon_or_tab_between_them(tmp_path, sign):
    (tmp_path / FILE).write_text(f"0{sign}road{sign}#804080\n1{sign}car{sign}0 0 142\n")
    found = [(one.id, one.name, one.color) for one in read_class_file(tmp_path / FILE)]
    assert found == [(0, "road", ROAD), (1, "car", CAR)]


def test_the_mark_of_labelme_for_pixels_without_a_label_takes_no_id(tmp_path):
    assert named(proposed({0: 5, 1: 3}, lines=["__ignore__", "_background_", "car"], tmp_path=tmp_path)) == {
        "_background_": 0,
        "car": 1,
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0: road\n1: car\n", "line 1: '0: road' begins like an id or an item of a list"),
        ("- road\n- car\n", "line 1: '- road' begins like"),
        ("0 road\n1 car\n", "line 1: '0 road' begins like"),
        ("1. road\n2. car\n", "line 1: '1. road' begins like"),
        ('["road"]\n', "line 1: .* begins like"),
        ("", "names no class"),
        ("0,road\ncar\n", "Write all lines alike"),
        ("0,road,#80\n", "line 1: '#80' is not a colour"),
        ("0,road,1 2\n", "line 1: '1 2' is not a colour"),
        ("x,road\n", "line 1: 'x' is not an id"),
        ("256,road\n", "line 1: '256' is not an id"),
        ("0,road,1,2,3\n", "line 1: has 5 fields"),
        ("road\nroad\n", "line 2: the name road is also in line 1"),
        ("0,a\n0,b\n", "line 2: the id 0 is also in line 1"),
        ("a\x07b\n", "cannot be shown"),
    ],
)
def test_a_file_of_names_that_is_wrong(tmp_path, text, said):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(LbtError, match=said):
        read_class_file(tmp_path / FILE)


def test_a_file_of_names_that_cannot_be_read(tmp_path):
    (tmp_path / FILE).write_bytes(b"stra\xdfe\n")
    with pytest.raises(LbtError, match="is not UTF-8"):
        read_class_file(tmp_path / FILE)
    with pytest.raises(LbtError, match="could not be read"):
        read_class_file(tmp_path / "none.txt")
    with pytest.raises(LbtError, match="could not be read"):
        read_class_file(tmp_path)


def test_known_tables():
    """Colours against the first ones that VOCdevkit lists, and names, ids and colours without repeats."""
    listed = [BLACK, (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128)]
    listed += [(128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0), (64, 0, 128), (192, 0, 128)]
    assert [program_color(index) for index in range(14)] == listed and program_color(255) == (224, 224, 192)
    for known in KNOWN_SETS:
        scored = [one for one in known.classes if not one.ignored]
        assert len({one.name for one in scored}) == len({one.color for one in scored}) == len(scored)
    assert len(KNOWN_SETS[0].classes) == 20 and len(KNOWN_SETS[3].classes) == 32
    assert sum(not one.ignored for one in KNOWN_SETS[1].classes) == 19
    assert {label.name for label in CITYSCAPES_LABELS} >= {one.name for one in KNOWN_SETS[1].classes}
