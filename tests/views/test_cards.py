"""The card of a network: numbers as on the page of the run, its rank, and lines that a shell and Python can read."""

import ast
import json
import os
import re
import shlex

import pytest
from made_scores import KEY
from stage_calls import call_stage
from test_index import DONE, NAMES, add_network, text_of

from lbt.config import Settings
from lbt.errors import LbtError
from lbt.stages.best_link import link_best
from lbt.views.best_network import find_networks
from lbt.views.index import make_index


def add(run, method, seed, miou, fps, images=()):
    """A network with all that its card needs."""
    add_network(run, method, seed, miou, fps, images)
    path = run / "profile" / method / f"seed-{seed}" / "profile.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"key": KEY}))
    figure = run / "figures" / method / f"seed-{seed}" / "network.png"
    figure.parent.mkdir(parents=True)
    figure.write_bytes(b"a figure")


def write_cards(run, pictures=True, **settings):
    """Run the stage on all networks; returns the text of each card by the name of its folder."""
    places = sorted(path.parent for path in run.glob("evaluate/*/seed-*/network.json"))
    folders = [run / "networks" / f"{place.parent.name}-{place.name}" for place in places]
    of_scores = {"scores": "network.json", "images": "images.csv", "pictures": "pictures", "predictions": "predictions"}
    of_network = {"packed": "network.pt", "card": "README.md", "copied": "architecture.png", "example": "example.png"}
    call_stage(
        "cards",
        Settings.model_validate_json(json.dumps({"data": {"root": "my data"}, **settings})),
        profile=[run / "profile" / place.parent.name / place.name / "profile.json" for place in places],
        figure=[run / "figures" / place.parent.name / place.name / "network.png" for place in places],
        **{name: [place / file for place in places] for name, file in of_scores.items()},
        **{n: [f / file for f in folders] for n, file in of_network.items() if pictures or n != "example"},
    )
    return {folder.name: (folder / "README.md").read_text() for folder in folders}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "a run"
    add(folder, "lbt", 0, 0.5, 20.0, [("a/i1", "0.1"), ("i2", "0.2")])
    add(folder, "random", 1, 0.6, 35.0)
    add(folder, "lbt", 1, 0.4, 36.0)
    for place in folder.glob("evaluate/*/seed-*"):
        if place != folder / "evaluate" / "lbt" / "seed-0":
            for name in ("pictures", "predictions"):
                (place / name / "x.png").write_bytes(b"a picture")
    return folder


def test_card_and_page_have_the_same_numbers_and_the_same_choice(run):
    cards = write_cards(run)
    found = find_networks(run)
    page = text_of(make_index(run, DONE))
    card = cards["random-seed-1"]
    for number, what in found.best.numbers():
        assert f"{number} {what}" in page and f" {number} |" in card and f" {what} |" in card
    assert found.describe_choice() in card and found.describe_choice() in page
    assert "chosen on the evaluation images" in card and "(control: nobody searched for it)" in card
    assert found.best.predict_command() in card and found.best.predict_command() in page
    other = cards["lbt-seed-0"]
    assert "The best network of this run is random, seed 1." in other and "chosen" not in other
    assert "| sign |  |" in other and "| road | 90.0 |" in other and "my data" in other
    assert "20.0" in other and "mIoU of this image 10.0 %" in other  # the identifier has a slash, the picture has none
    assert (run / "networks" / "random-seed-1" / "example.png").read_bytes() == b"a picture"
    assert (run / "networks" / "lbt-seed-0" / "architecture.png").read_bytes() == b"a figure"


def test_the_window_of_the_settings_decides(run):
    cards = write_cards(run, search={"fps": [10.0, 25.0]})
    assert "The only network inside the wanted window (10 to 25 FPS)." in cards["lbt-seed-0"]
    assert "best network of this run is lbt, seed 0. This one is outside the wanted window." in cards["random-seed-1"]
    cards = write_cards(run, search={"fps": [90.0, 99.0]})
    assert "No network is inside the wanted window (90 to 99 FPS);" in cards["random-seed-1"]


def test_a_run_without_pictures_has_cards_without(run):
    assert "example.png" not in write_cards(run, pictures=False)["lbt-seed-0"]
    assert not (run / "networks" / "lbt-seed-0" / "example.png").exists()


@pytest.mark.parametrize("name", [name for name in NAMES if "/" not in name])
def test_its_lines_can_be_copied_whatever_the_folder_is_called(tmp_path, name):
    run = tmp_path / name
    add(run, "lbt", 0, 0.5, 20.0, [(name, "0.1")])
    card = write_cards(run)["lbt-seed-0"]
    path = str(run / "networks" / "lbt-seed-0" / "network.pt")
    shell, python = re.findall(r"^```\w*\n(.*?)^```", card, re.M | re.S)
    assert [shlex.split(line)[2:] for line in shell.splitlines()] == [[path, "PHOTO"], [path]]
    assert path in {node.value for node in ast.walk(ast.parse(python)) if isinstance(node, ast.Constant)}
    prose = re.sub(r"^```.*?^```", "", card, flags=re.M | re.S)
    assert not re.search(r"(?<!\\)[<|]", prose.replace("| ", "").replace(" |", "")), prose


def test_best_is_a_relative_link_that_follows_the_best_network(run):
    link_best(run)
    assert os.readlink(run / "best") == "networks/random-seed-1"
    (run / "settings.yaml").write_text("search: {fps: [10, 25]}")
    link_best(run)
    assert os.readlink(run / "best") == "networks/lbt-seed-0"
    (run / "settings.yaml").write_text("search: {fps: [36, 36]}")
    (run / "networks" / "lbt-seed-1" / "network.pt").unlink()
    link_best(run)
    assert os.readlink(run / "best") == "networks/lbt-seed-0"  # the better one has no file yet
    for scores in run.glob("evaluate/*/*/network.json"):
        scores.unlink()
    link_best(run)
    assert not os.path.lexists(run / "best") and not list(run.glob(".best*"))


def test_a_folder_called_best_is_not_replaced(run):
    (run / "best").mkdir()
    with pytest.raises(LbtError, match=r"best: is no link\. Rename it"):
        link_best(run)
