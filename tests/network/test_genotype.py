import json

import pytest

from lbt.config import SpaceSettings
from lbt.errors import LbtError
from lbt.files import write_json
from lbt.network.genotype import Branch, Cell, Genotype, cell_channels, read_genotype

SPACE = SpaceSettings(layers=6)


def branch(*cells: tuple[int, str, int, int], scale: int, start: int = 0) -> Branch:
    made, at = [], 8
    for layer, operator, stride, width in cells:
        made.append(Cell(layer + start, at, operator, stride, width))
        at *= stride
    return Branch(scale, tuple(made))


@pytest.fixture
def genotype() -> Genotype:
    return Genotype(
        (
            branch((0, "conv", 1, 4), (1, "zoom", 2, 6), (3, "conv_2x", 2, 12), (4, "zoom", 1, 8), scale=32),
            branch((0, "conv", 1, 4), (2, "zoom", 2, 6), (3, "conv_2x", 1, 4), (5, "zoom", 1, 8), scale=16),
        )
    )


def test_round_trip_through_a_file(genotype, tmp_path):
    write_json(tmp_path / "genotype.json", genotype.to_json())
    assert read_genotype(tmp_path / "genotype.json", SPACE) == genotype


def test_the_file_is_readable(genotype):
    assert genotype.to_json()["branches"][0]["cells"][1] == {
        "layer": 1,
        "scale": 8,
        "operator": "zoom",
        "stride": 2,
        "width_twelfths": 6,
    }


def test_the_shared_prefix_compares_what_cells_compute(genotype):
    assert genotype.shared_prefix() == 2
    assert Genotype(genotype.branches[:1]).shared_prefix() == 0


def test_last_cells_are_never_shared():
    long = branch((0, "conv", 1, 8), (1, "conv", 2, 8), (2, "conv", 1, 8), scale=16)
    short = branch((0, "conv", 1, 8), scale=8)
    assert Genotype((long, short)).shared_prefix() == 0


def test_each_cell_has_its_input_and_output_channels(genotype):
    assert cell_channels(genotype.branches[0], SPACE) == [(64, 32), (32, 96), (96, 384), (384, 256)]


def edited(genotype, edit):
    value = json.loads(json.dumps(genotype.to_json()))
    edit(value)
    return value


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda v: v["branches"][0]["cells"][3].update(operator="pool"), ["branches[0].cells[3].operator", "pool"]),
        (lambda v: v["branches"][1]["cells"][0].update(layer="0"), ["branches[1].cells[0].layer", "'0'"]),
        (lambda v: v["branches"][1]["cells"][0].update(layer=-1), ["branches[1].cells[0].layer"]),
        (lambda v: v["branches"][1]["cells"][0].update(width_twelfths=13), ["width_twelfths", "13"]),
        (lambda v: v["branches"][0]["cells"][0].update(depth=2), ["branches[0].cells[0].depth"]),
        (lambda v: v["branches"][0]["cells"][2].pop("stride"), ["branches[0].cells[2].stride"]),
        (lambda v: v["branches"][0]["cells"].clear(), ["branches[0].cells"]),
        (lambda v: v["branches"][0]["cells"].pop(1), ["branches[0]", "cells[1]", "scale 16", "1/8"]),
        (lambda v: v["branches"][0]["cells"][3].update(layer=3), ["branches[0]", "cells[3]", "layer 3"]),
        (lambda v: v["branches"][0]["cells"].pop(), ["branches[0]", "cells[2]", "from 16 to 32"]),
        (lambda v: v["branches"][0].update(scale=16), ["branches[0]", "cells[3]", "16"]),
        (lambda v: v["branches"].reverse(), ["branches", "[16, 32]"]),
        (lambda v: v["branches"].clear(), ["branches", "[]"]),
        (lambda v: v.pop("branches"), ["branches"]),
        (lambda v: v.update(layers=16), ["layers", "16"]),
        (lambda v: v["branches"][0]["cells"][3].update(scale=8), ["branches[0]", "cells[3]", "scale 8", "1/32"]),
        (lambda v: v["branches"][0]["cells"][2].update(scale=8, stride=1), ["branches[0]", "cells[2]", "8", "1/16"]),
        (lambda v: v["branches"][1]["cells"][3].update(stride=2), ["branches[1]", "cells[3]", "from 16 to 32"]),
        (lambda v: v["branches"][0]["cells"][2].update(layer=0), ["branches[0]", "cells[2]", "layer 0"]),
        (lambda v: v["branches"][0]["cells"].reverse(), ["branches[0]", "cells[0]", "scale 32", "1/8"]),
        (lambda v: v["branches"].append(v["branches"][1]), ["branches", "[32, 16, 16]"]),
        (lambda v: v["branches"][0]["cells"][1].update(operator=3), ["branches[0].cells[1].operator", "3"]),
        (lambda v: v["branches"][0]["cells"][1].update(stride=3), ["branches[0].cells[1].stride", "3"]),
        (lambda v: v["branches"][0]["cells"][1].update(scale=64), ["branches[0].cells[1].scale", "64"]),
        (lambda v: v["branches"][0]["cells"][1].update(width_twelfths=6.5), ["cells[1].width_twelfths", "6.5"]),
        (lambda v: v["branches"][0].update(cells="conv"), ["branches[0].cells", "'conv'"]),
        # fits no space of these settings
        (lambda v: v["branches"][1]["cells"][3].update(layer=6), ["branches[1].cells[3].layer", "0 to 5"]),
        (lambda v: v["branches"][0]["cells"][0].update(width_twelfths=5), ["branches[0].cells[0].width_twelfths", "5"]),
        (lambda v: v["branches"][0]["cells"][3].update(width_twelfths=4), ["branches[0].cells[3].width_twelfths", "4"]),
        (lambda v: v["branches"][0]["cells"][0].update(operator="skip"), ["cells[0].operator", "64 channels into 32"]),
    ],
)
def test_bad_files_are_refused_by_place(genotype, edit, words):
    with pytest.raises(LbtError) as caught:
        Genotype.from_json(edited(genotype, edit), SPACE, "genotype.json")
    assert all(word in str(caught.value) for word in ["genotype.json", *words]), str(caught.value)


@pytest.mark.parametrize("value", [[], None, "text", {"branches": 3}])
def test_json_of_another_kind_is_refused(value):
    with pytest.raises(LbtError, match=r"genotype\.json"):
        Genotype.from_json(value, SPACE, "genotype.json")


@pytest.mark.parametrize("content", [b"", b"{", b'{"branches": [}', b"\xff\xfe"])
def test_a_file_that_is_not_json_is_named(content, tmp_path):
    (tmp_path / "genotype.json").write_bytes(content)
    with pytest.raises(LbtError, match=r"genotype\.json: is not JSON"):
        read_genotype(tmp_path / "genotype.json", SPACE)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LbtError, match=r"absent\.json"):
        read_genotype(tmp_path / "absent.json", SPACE)


def test_branches_end_at_the_scales_of_the_space(genotype, tmp_path):
    path, single = tmp_path / "genotype.json", Genotype(genotype.branches[:1])
    for branches, good, bad in (("best", genotype, single), ("32", single, genotype)):
        space = SPACE.model_copy(update={"branches": branches})
        write_json(path, good.to_json())
        assert read_genotype(path, space) == good
        write_json(path, bad.to_json())
        with pytest.raises(LbtError) as caught:
            read_genotype(path, space)
        ends = [branch.scale for branch in bad.branches]
        assert f"{path}: branches: end at the scales {ends}, but `space.branches: {branches}` has " in str(caught.value)
    assert "has [32]. Use the `space` settings" in str(caught.value)
    write_json(path, single.to_json())
    with pytest.raises(LbtError, match=r"has \[32, 16\] or \[32, 8\]\. "):
        read_genotype(path, SPACE.model_copy(update={"branches": "best"}))
