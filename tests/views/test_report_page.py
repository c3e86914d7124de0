"""The first page of a report: data, methods, budget, and what the results do not show."""

import html
import re

import pytest
from docutils.core import publish_parts
from jinja2 import Environment

from lbt.config import Settings
from lbt.provenance.fingerprint import ROOT
from lbt.views.report_page import collect_facts

WORKED = "The images are synthetic: the numbers show that the workflow works, and nothing about real streets."
LAST = [
    "All methods have the same budget. Numbers published with another budget are not comparable.",
    "Latency holds for the device and the versions that the latency table names only.",
]


def make_settings(**changes) -> Settings:
    values = {
        "run": "town",
        "seeds": [3, 4],
        "methods": ["lbt", "random"],
        "data": {"layout": "cityscapes", "root": "photographs"},
        "warmup": {"epochs": 1.5, "batch_size": 3},
        "search": {"rounds": 7, "epochs": 2.5, "batch_size": 5, "student": {"warmup_epochs": 9.5}},
        "retrain": {"epochs": 11.0, "batch_size": 6},
    }
    for key, value in changes.items():
        values[key] = value if not isinstance(value, dict) else values.get(key, {}) | value
    return Settings.model_validate_json(Settings.model_validate(values, strict=False).model_dump_json())


def test_the_page_names_run_data_methods_seeds_and_budget():
    facts = collect_facts(make_settings())
    del facts["caveats"]
    assert facts == {
        "run": "town",
        "data": "photographs (cityscapes layout)",
        "methods": "lbt, random (control)",
        "seeds": "3, 4",
        "budget": "epochs of the warm-up 1.5 (of the student 9.5), of the search 7 x 2.5, of the retraining 11; "
        "images per step 3, 5 and 6",
        "page": [],
    }
    without = collect_facts(make_settings(methods=["fasterseg"]))["budget"]
    assert without.startswith("epochs of the warm-up 1.5, of the search")


def test_synthetic_scenes_are_described_by_their_numbers_and_size():
    scenes = {"train": 9, "val": 8, "test": 7, "height": 64, "width": 96}
    facts = collect_facts(make_settings(scenes=scenes))
    expected = "synthetic street scenes: 9 to train, 8 to validate, 7 without labels, 64 x 96 pixels (height x width)"
    assert facts["data"] == expected and facts["caveats"][2:] == [WORKED, *LAST]


def test_one_seed_proves_nothing_and_several_seeds_have_a_deviation():
    one, two = (collect_facts(make_settings(seeds=seeds))["caveats"] for seeds in ([0], [0, 1]))
    assert one[0] == "One seed: a difference between methods may be chance, so this run cannot show that one is better."
    assert two[0] == "Means and standard deviations are over 2 seeds. A difference within them may be chance."
    assert one[1:] == two[1:] and one[2:] == LAST


@pytest.mark.parametrize(
    ("search", "how"),
    [
        ({"random_match": "none"}, "of any latency"),
        ({"random_match": "window", "fps": [10.0, 20.0]}, "inside the window of frames per second"),
        ({"random_match": "lbt"}, "near the predicted latency of those of lbt"),
    ],
)
def test_the_control_is_described_by_its_latency(search, how):
    caveats = collect_facts(make_settings(search=search))["caveats"]
    assert caveats[1] == f"A search is worth its time if it beats the random architectures, which are {how}."


def test_without_a_control_the_page_says_so():
    caveats = collect_facts(make_settings(methods=["lbt", "fasterseg"]))["caveats"]
    assert caveats[1] == "This run has no random control, so it cannot show whether the search helped."


def test_the_report_frames_the_page_of_the_run_as_it_is(tmp_path):
    page = tmp_path / "index.html"
    picture = "data:image/png;base64," + "abc+/" * 20_000
    lines = ["<!doctype html>", '<h1>a &amp; "b" {{ 7 * 7 }}</h1>', "", "   .. raw:: html", f'<img src="{picture}">']
    page.write_text("\n".join(lines))
    facts = collect_facts(make_settings(), page)
    source = (ROOT / "workflow" / "report" / "workflow.rst").read_text()
    snakemake = type("Snakemake", (), {"config": {"facts": facts}})
    text = Environment().from_string(source).render(snakemake=snakemake)
    shown = publish_parts(text, writer="html", settings_overrides={"report_level": 1, "halt_level": 2})["html_body"]
    (framed,) = re.findall('<iframe [^>]*srcdoc="(.*?)"></iframe>', shown, re.S)
    assert "".join(html.unescape(framed).split()) == "".join("".join(lines).split())
    assert shown.count("<h1") == 2 and "Methods" in shown  # the title and a section
    assert collect_facts(make_settings(), tmp_path / "absent.html")["page"] == []
