"""Tables in a terminal: no line is longer than it, and no word is lost."""

import pytest

from lbt.views.budget import Budgets
from lbt.views.tables.decisions import make_decisions_table
from lbt.views.tables.decisiveness import Choices, Movement
from lbt.views.tables.miou import make_miou_table, make_summary_table
from lbt.views.tables.terminal import SHOWN, fit_to_width, print_tables

MOVEMENTS = {kind: Movement(0.9, 12.345, 0.98, 10.2) for kind in ("alpha", "beta", "gamma")}
CHOICES = {("lbt", 0): Choices(0.31, MOVEMENTS), ("lbt", 1): Choices(0.33, MOVEMENTS)}
BUDGET = "warm-up 2 + search 1 x 2 + retrain 3 steps"
BUDGETS = Budgets(BUDGET, "retrain 3 steps from random weights")


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_of_one_seed_fit(networks, constant, width):
    for make in (make_summary_table, make_miou_table):
        lines = fit_to_width(make(networks[1:], constant, CHOICES, BUDGETS).markdown(), width).splitlines()
        assert max(map(len, lines)) <= width
    lines = fit_to_width(make_decisions_table(CHOICES).markdown(), width).splitlines()
    assert max(map(len, lines)) <= width


def test_the_main_table_of_several_seeds_fits_120_columns(networks, constant):
    text = fit_to_width(make_summary_table(networks, constant, CHOICES, BUDGETS).markdown(), 120)
    assert max(map(len, text.splitlines())) <= 120 and "35.0 ± 7.1" in text


def test_headings_are_wrapped_above_their_columns_without_marks():
    markdown = (
        "## A title\n\n| name | one two |\n| ---- | ------: |\n| a\\|b  |     1.5 |\n\n**Warning:** look\n\nlong note\n"
    )
    assert fit_to_width(markdown, 8).splitlines() == [
        *("A title", "=======", "", "      one", "name  two", "----  ---", "a|b   1.5", ""),
        *("Warning:", "look", "", "long", "note"),
    ]


def test_show_takes_the_width_of_the_terminal(networks, constant, tmp_path, capsys, monkeypatch):
    for name in SHOWN[1:]:
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "tables" / f"{name}.md").write_text("## Another\n")
    make_summary_table(networks[1:], constant, CHOICES, BUDGETS).write(tmp_path / "tables")
    longest = {}
    for width in (80, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        print_tables(tmp_path)
        text = capsys.readouterr().out.partition("\ntables:")[0]  # paths follow, which are not broken
        longest[width] = max(map(len, text.splitlines()))
    assert longest[80] <= 80 < longest[200] <= 120


def test_show_names_a_network_that_cannot_be_read_because_it_may_be_the_best(tmp_path, capsys):
    for name in SHOWN:
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "tables" / f"{name}.md").write_text("## Another\n")
    for file in ("evaluate/lbt/seed-0/network.json", "profile/lbt/seed-0/profile.json"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("{}")
    print_tables(tmp_path)
    assert f"left out: {tmp_path}/evaluate/lbt/seed-0/network.json: iou: Field required" in capsys.readouterr().out


NO_TABLES = ("", "\n\n \n", "|\n\n||\n\n|a|\n|", "|||\n|||\n|||", "| a |\n|---|", "## ", "\n\n\n\na")


@pytest.mark.parametrize("text", NO_TABLES)
def test_a_file_that_is_no_table_is_shown_too(text):
    assert ("a" in fit_to_width(text, 80)) == ("a" in text)
