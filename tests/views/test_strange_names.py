"""A name of a file is shown as it is in every table, page and figure, whatever it looks like."""

import csv
import html
import io
import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from docutils.core import publish_parts
from jinja2 import Environment
from made_scores import BUDGETS
from markdown_it import MarkdownIt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from test_gallery import shards

from lbt.config import DataSettings, Settings
from lbt.data.classes import class_table
from lbt.data.label_images import legend_image
from lbt.data.splits import read_split
from lbt.files import guard_cell, read_csv, unguard_cell
from lbt.provenance.fingerprint import ROOT
from lbt.pseudo_labels.read import read_head
from lbt.views.figures.confusion import draw_confusion
from lbt.views.figures.predictions import Example, draw_predictions
from lbt.views.figures.style import save, use_style, write_label
from lbt.views.figures.tradeoff import draw_tradeoff
from lbt.views.gallery import write_gallery
from lbt.views.report_page import collect_facts
from lbt.views.tables.classes import make_classes_table
from lbt.views.tables.formats import escape_markdown, unescape_markdown
from lbt.views.tables.miou import make_summary_table
from lbt.views.tables.terminal import SHOWN, fit_to_width, print_tables

NAMES = (
    *("straße/路", "$cost$", '<b>car, "x"', "=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "'=x", "a|b", "`code`"),
    *("*bold*", "[a](http://b)", "![a](b)", "www.b.com", "&amp;", "a\\", "\\|", "FACTS", "TITLE", "/*SCRIPT*/", "x_"),
    *("~~a~~", "#1", "<!-- x -->", "{constant}", "%s", "</script>"),
)  # fmt: skip


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def renamed(networks, constant, name):
    """Scores whose class `road` has another name."""

    def rename(scores):
        return scores | {"iou": {name if key == "road" else key: value for key, value in scores["iou"].items()}}

    changed = [replace(n, supernet=rename(n.supernet), network=rename(n.network)) for n in networks]
    return changed, rename(constant) | {"class": name}


def test_tables_show_it(renamed, name):
    networks, constant = renamed
    classes = make_classes_table(networks, constant)
    summary = make_summary_table(networks, constant, {}, BUDGETS)
    cell = re.search(r'<tbody>\s*<tr><td class="text">(.*?)</td>', classes.html())[1]
    assert html.unescape(cell) == name and "<b>car" not in classes.html()
    prose = html.unescape(re.sub("<[^>]*>", "", summary.html().partition("</table>")[2]))
    assert f"constant predicts {name}, the most" in prose
    assert f"constant predicts {name}, the most" in " ".join(fit_to_width(summary.markdown(), 10_000).split("\n"))
    row = next(line for line in fit_to_width(classes.markdown(), 200).splitlines() if line.startswith(name))
    assert row[len(name)] == " "
    found = next(csv.DictReader(io.StringIO(classes.csv())))
    assert unguard_cell(found["class"]) == name and not re.match(r"[=+\-@\t\r]", found["class"])


def test_markdown_has_no_mark_left(name):
    shown = MarkdownIt("gfm-like", {"linkify": False}).render(f"| a |\n| --- |\n| {escape_markdown(name)} |\n")
    assert html.unescape(re.search("<td>(.*?)</td>", shown, re.S)[1]) == name
    assert "<a " not in shown and "<em>" not in shown and "<strong>" not in shown and "<code>" not in shown


def test_escaped_markdown_is_read_back(name):
    assert unescape_markdown(escape_markdown(name)) == name
    assert not re.search(r"(?<!\\)(\\\\)*[|`*<\[]", escape_markdown(name))


def test_csv_is_read_back_and_runs_nothing(name, tmp_path):
    with open(tmp_path / "a.csv", "w", newline="") as file:
        csv.writer(file).writerows([["name"], [guard_cell(name)]])
    assert read_csv(tmp_path / "a.csv", ("name",), lambda row: row["name"], stage="x") == [name]
    assert not re.match(r"[=+\-@\t\r]", str(guard_cell(name)))


@pytest.mark.parametrize("value", ["-1", "+1.5", "-2e-05", "1", "", "abc", "-inf", -1, 2.5, None, float("-inf")])
def test_numbers_and_plain_names_of_csv_do_not_change(value):
    assert guard_cell(value) is value


@pytest.mark.parametrize("text", ["'", "''=1", "'a", "=", "'", "\t=1", "\r"])
def test_guarded_cells_are_told_apart(text):
    assert unguard_cell(guard_cell(text)) == text


def test_figures_show_it(renamed, name, tmp_path):
    networks, constant = renamed
    with warnings.catch_warnings(), use_style():
        warnings.simplefilter("error")
        figure = draw_confusion(constant["confusion"], list(constant["iou"]), "title")
        FigureCanvasAgg(figure).draw()
        shown = [text.get_text() for text in figure.axes[0].get_xticklabels()]
        assert shown[0] == write_label(name)
        trade = draw_tradeoff(networks, constant)
        save(trade, tmp_path / "trade")
        assert any(f"({write_label(name)})" in text.get_text() for text in trade.axes[0].texts)


def test_figures_show_dollars_and_what_the_font_lacks(tmp_path):
    assert write_label("$cost$ straße") == "$cost$ straße"
    assert write_label("\U0010fffd") == r"\U0010fffd" and write_label("a\nb") == r"a\nb"
    assert len(write_label("x" * 100)) <= 40
    table = class_table(DataSettings(classes=("road", "sky")))
    table = replace(table, names=("$cost$", "\U0010fffd"))
    pixels = np.zeros((8, 8, 3), np.uint8)
    with warnings.catch_warnings(), use_style():
        warnings.simplefilter("error")
        figure = draw_predictions(
            [Example("$x$_\U0010fffd", pixels, pixels[..., 0], {"lbt": pixels[..., 0]})], table, "t"
        )
        save(figure, tmp_path / "a")
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert not any(text.get_parse_math() for text in figure.legends[0].get_texts())
    assert texts == ["$cost$", r"\U0010fffd"]


def test_the_legend_takes_another_font_for_letters_that_the_first_lacks():
    plain, odd, none = (legend_image([text], [(1, 2, 3)]) for text in ("road", "ж", "\U0010fffd"))
    assert legend_image(["$cost$"], [(1, 2, 3)]).tobytes() != legend_image(["cost"], [(1, 2, 3)]).tobytes()
    assert none.width > odd.width  # `\U0010fffd`, and no box
    assert legend_image(["жж"], [(1, 2, 3)]).tobytes() != legend_image(["шш"], [(1, 2, 3)]).tobytes()
    assert legend_image(["路路"], [(1, 2, 3)]).tobytes() != legend_image(["街街"], [(1, 2, 3)]).tobytes()
    assert plain.height == odd.height


def test_the_gallery_has_every_name(labelled, tmp_path):
    path = shards(labelled.run, 1)[0]
    names = ("/*SCRIPT*/", "FACTS", "TITLE", "/*STYLE*/", "</script><script>alert(1)</script>", "<!--")
    samples, data = {sample.id: sample for sample in labelled.images}, labelled.settings.data
    write_gallery(tmp_path / "a.html", {path: replace(read_head(path), classes=names)}, {}, samples, data, {})
    write_gallery(tmp_path / "b.html", {path: read_head(path)}, {}, samples, data, {})
    text, plain = ((tmp_path / name).read_text() for name in ("a.html", "b.html"))
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', text, re.S)[1])
    assert tuple(facts["classes"]) == names
    assert text.count("<script") == plain.count("<script") and "alert(1)</script" not in text
    style = (ROOT / "lbt" / "views" / "gallery.css").read_text()
    assert style in text and (ROOT / "lbt" / "views" / "gallery.js").read_text() in text


@pytest.mark.parametrize(
    "root",
    [
        *("plain", "ends_", "*bold*", "`x`", "|x|", "a_ b_", "http://b.com/x", "``x``", ".. raw:: html", "<script>"),
        *("a\n\n.. raw:: html\n\n   <script>alert(1)</script>\n", "a\n\n.. include:: /etc/hostname\n"),
        *("{{ 7 * 7 }}", "\\", "[1]_"),
    ],
)  # fmt: skip
def test_the_page_of_the_report_shows_the_folder_as_it_is(root):
    settings = Settings(scenes=None, data=DataSettings(root=root))
    facts = collect_facts(settings)
    source = (ROOT / "workflow" / "report" / "workflow.rst").read_text()
    snakemake = type("Snakemake", (), {"config": {"facts": facts}})
    text = Environment().from_string(source).render(snakemake=snakemake)
    shown = publish_parts(text, writer="html", settings_overrides={"report_level": 1, "halt_level": 2})["body"]
    found = html.unescape(re.sub("<[^>]*>", "", re.search("<strong>Data</strong>: (.*?)</p>", shown, re.S)[1]))
    expected = root.replace("\n", r"\n")
    assert " ".join(found.split()) == " ".join(f"{expected} (cityscapes layout).".split())
    assert "<script" not in shown and "<a " not in shown and "problematic" not in shown


def test_the_terminal_shows_tables_of_others_without_effect(tmp_path, capsys):
    (tmp_path / "tables").mkdir()
    for table in SHOWN:
        text = "## T\x1b]0;owned\x07\n\n| a | b |\n| - |\n| \u202ex |\n\n\x9bnote\n"
        (tmp_path / "tables" / f"{table}.md").write_bytes(text.encode() + b"\xff")
    print_tables(tmp_path)
    out = capsys.readouterr().out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out) and r"T\x1b]0;owned\x07" in out


def test_a_split_with_formulas_as_names_is_read_back(tmp_path):
    row = ["=a/-b", "=a/-b.png", "@m.png", "+g", "teacher_train"]
    with open(tmp_path / "split.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [["image_id", "image", "label", "group", "role"], [guard_cell(cell) for cell in row]]
        )
    sample = read_split(tmp_path / "split.csv", "teacher_train")[0]
    assert [sample.id, sample.image, sample.label, sample.group] == row[:4]
