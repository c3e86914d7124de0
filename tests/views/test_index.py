"""The page of a run: the best network, its pictures, and pages that no name and no damaged file can break."""

import html
import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from made_scores import BUDGETS, make_scores
from PIL import Image
from playwright.sync_api import sync_playwright

from lbt.files import guard_cell
from lbt.views.best_network import find_networks
from lbt.views.index import make_index, write_index
from lbt.views.run_state import FAILED, FINISHED, RUNNING, RunState, StageState, WorkingJob, describe_seconds
from lbt.views.tables.markdown import read_table
from lbt.views.tables.miou import make_summary_table

CHROMIUM = shutil.which("chromium")
NOW = 1_795_000_000.0
DONE = RunState(FINISHED, "Snakemake has ended.", NOW, NOW - 600, 9, 9)
NAMES = (
    "straße_路",
    '<b>car, "x"',
    "=1+1",
    "a|b",
    "&amp;",
    "{{ 7 * 7 }}",
    "</script><script>alert(1)</script>",
    "a b #?%",
)


def add_network(run, method, seed, miou, fps, images=()):
    folder = run / "evaluate" / method / f"seed-{seed}"
    (folder / "pictures").mkdir(parents=True)
    (folder / "predictions").mkdir()
    (folder / "network.json").write_text(json.dumps(make_scores(miou)))
    profile = {"median_ms": 1e3 / fps, "p95_ms": 1e3 / fps, "fps": fps, "predicted_ms": 1.0, "parts_ms": 1.0}
    place = run / "profile" / method / f"seed-{seed}"
    place.mkdir(parents=True)
    (place / "profile.json").write_text(json.dumps(profile | {"parameters": 350_000, "macs": 10**8}))
    rows = [f'"{guard_cell(name).replace(chr(34), chr(34) * 2)}",{score}' for name, score in images]
    (folder / "images.csv").write_text("\n".join(["image_id,miou", *rows]) + "\n")
    pixels = Image.fromarray(np.zeros((40, 1200, 3), np.uint8))
    for index, (name, _) in enumerate(images):
        pixels.save(folder / "pictures" / f"{name.replace('/', '_')}.png")
        if index < 2:
            pixels.save(folder / "predictions" / f"{name.replace('/', '_')}.png")
    packed = run / "networks" / f"{method}-seed-{seed}" / "network.pt"
    packed.parent.mkdir(parents=True)
    packed.touch()


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "a run"
    folder.mkdir()
    add_network(folder, "fasterseg", 0, 0.5, 20.0)
    add_network(folder, "lbt", 0, 0.6, 35.0, [(f"i{i}", f"0.{i}") for i in range(1, 8)])
    add_network(folder, "random", 0, 0.55, 38.0)
    return folder


def text_of(page):
    return " ".join(
        html.unescape(re.sub("<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", page, flags=re.S)).split()
    )


def test_a_network_that_the_settings_no_longer_name_is_not_the_best(run):
    add_network(run, "fast_scnn", 0, 0.4, 30.0)
    add_network(run, "lpt", 1, 0.9, 35.0)
    (run / "settings.yaml").write_text("methods: [lpt, random]\nbaselines: [fast_scnn]\nseeds: [0]\n")
    found = find_networks(run)
    assert [network.method for network in found.networks] == ["fast_scnn", "random"]
    assert found.best.method == "random"


@pytest.mark.parametrize(
    ("settings", "best", "inside", "said"),
    [
        ("search: {fps: null}", "lbt", 3, "The highest mIoU of the 3 networks."),
        ("search: {fps: [30, 40]}", "lbt", 2, "of the 2 networks inside the wanted window (30 to 40 FPS)."),
        ("search: {fps: [37, 40]}", "random", 1, "The only network inside the wanted window (37 to 40 FPS)."),
        ("search: {fps: [37, 40]}\nderivation: {fps: [10, 25]}", "fasterseg", 1, "(10 to 25 FPS)"),
        ("search: {fps: [90, 99.5]}", "lbt", 0, "No network is inside the wanted window (90 to 99.5 FPS);"),
        ("search: [", "lbt", 3, "of the 3 networks."),
        ("search: {fps: [a, b]}", "lbt", 3, "of the 3 networks."),
    ],
)
def test_the_best_network_is_the_most_accurate_inside_the_window(run, settings, best, inside, said):
    (run / "settings.yaml").write_text(settings)
    found = find_networks(run)
    assert found.best.method == best and len(found.inside) == inside
    text = text_of(make_index(run, DONE))
    assert f"Best network: {best}, seed 0" in text and said in text
    assert ("It was chosen on the evaluation images" in text) == (inside != 1)
    assert ("(control)" in text.partition("mIoU")[0]) == (best == "random")
    command = found.best.predict_command()
    assert command in text and shlex.split(command)[-2:] == [
        str(run / "networks" / f"{best}-seed-0" / "network.pt"),
        "PHOTO",
    ]


def test_the_worst_and_the_best_images_are_shown_in_their_order(run):
    text = text_of(make_index(run, DONE))
    assert "Ground truth beside prediction of lbt, seed 0 i1: mIoU 10.0 % i2: mIoU 20.0 %" in text
    assert "shows. i1: mIoU 10.0 % i2: mIoU 20.0 % The best images of lbt, seed 0 i7: mIoU 70.0 % i6: mIoU" in text


def test_before_the_tables_the_networks_so_far_are_listed(run, networks, constant):
    text = text_of(make_index(run, replace(DONE, state=RUNNING)))
    assert "Networks so far method seed retrained mIoU" in text and "Best network so far: lbt" in text
    assert "random (control) 0 55.0" in text
    table = make_summary_table(networks, constant, {}, BUDGETS)
    table.write(run / "tables")
    stages = [StageState("tables", 1, 0)]
    text = text_of(make_index(run, replace(DONE, state=RUNNING, stages=stages)))
    assert "mIoU by method, mean over the seeds" in text and "35.0 ± 7.1" in text and "constant (control)" in text
    assert "This table is of the results before this start" in text and "Warning: " in text
    assert "before this start" not in make_index(run, DONE)
    read = read_table(table.markdown())
    assert read.titles == list(table.shown.columns) and read.rows == table.shown.to_numpy().tolist()
    assert read.title == table.title and tuple(read.warnings) == table.warnings and read.note == table.note
    assert read_table("") is read_table("## a\n\ntext") is read_table("| a |\n| - |\n| b |") is None


def test_a_running_run_says_what_it_does(tmp_path):
    job = WorkingJob("search-lbt", "process 3", 65.0, 4, 9, {"loss": "0.51"}, left=25.0)
    state = RunState(
        RUNNING, "At work.", NOW, NOW - 60, 3, 9, left=240.0, guessed=["retrain"], working=[job], waiting=["w waits"]
    )
    page = make_index(tmp_path, state)
    text = text_of(page)
    assert "running 3 of 9 jobs about 4 min left, until about " in text
    assert "Partly a guess: no job of retrain has ended yet" in text
    assert "search-lbt step 4 of 9 · loss 0.51 for 65 s, about 25 s left" in text and "w waits" in text
    assert 'http-equiv="refresh"' in page and 'value="0.200"' in page
    assert 'http-equiv="refresh"' not in make_index(tmp_path, DONE)
    failed = replace(DONE, state=FAILED, failed=[["round-1", "no memory", "log: a.log"]])
    assert "round-1 no memory log: a.log" in text_of(make_index(tmp_path, failed))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_every_name_as_it_is(tmp_path, name):
    run = tmp_path / name
    if "/" in name:
        run = tmp_path / "plain"
    run.mkdir()
    add_network(run, "lbt", 0, 0.6, 35.0, [(name, 0.25), ("other", 0.75)])
    state = replace(
        DONE,
        failed=[[name, name]],
        warnings=[name],
        working=[WorkingJob(name, name, 1.0, 1, 2, {name: name})],
        stages=[StageState(name, 1, 0, 2.0)],
        waiting=[name],
        activity=name,
    )
    page, plain = make_index(run, state), make_index(run, DONE)
    assert page.count("<script") == plain.count("<script") == 1 and "alert(1)</script" not in page
    shown = " ".join(name.split())
    assert f"{shown.replace('/', '_')}: mIoU 25.0 %" in text_of(page)
    assert text_of(page).count(shown) >= 7
    assert "<b>car" not in page and "{{ 7" not in page.replace("{{ 7 * 7 }}", "") and "49" not in text_of(plain)[:40]


def test_damaged_files_become_warnings(run):
    for path in sorted(run.rglob("*")):
        if path.is_file():
            path.write_text("written by a test")
    (run / "tables").mkdir()
    (run / "tables" / "summary.md").write_bytes(b"\xff\x00 written by a test")
    text = text_of(make_index(run, DONE))
    assert text.count("is not JSON") == 3 and "Best network" not in text


def test_it_is_written_without_pytorch(run):
    (run / "logs").mkdir()
    (run / "logs" / "retrain-lbt-seed-0.log").write_text("x: step 1/2  loss 1  1 s elapsed, 1 s left\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from lbt.views.index import write_index; from lbt.views.run_state import RunState\n"
        f"write_index(Path({str(run)!r}), RunState('running', '', 0.0))\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (run / "index.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3599, "60 min"), (3720, "1 h 2 min"), (7200, "2 h"), (90_000, "25 h")],
)
def test_times_in_words(seconds, text):
    assert describe_seconds(seconds) == text.replace("60 min", "1 h")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")
def test_nothing_is_cut_off_at_any_width(run, networks, constant):
    make_summary_table(networks, constant, {}, BUDGETS).write(run / "tables")
    (run / "logs").mkdir()
    for number, name in enumerate(("warmup-seed-0", "retrain-lbt-seed-0", "retrain-a" + "b" * 60 + "-seed-0")):
        lines = [f"x: step {i}/9  loss {i}.{number}  1 s elapsed, 1 s left\n" for i in range(1, 9)]
        (run / "logs" / f"{name}.log").write_text("".join(lines))
    long = WorkingJob("search-lbt-seed-0-round-1-" + "x" * 60, "p", 1.0, 1, 2, {f"loss{i}": "0.123" for i in range(9)})
    trouble = []
    write_index(run, replace(DONE, state=FAILED, working=[long], failed=[["x" * 90, "y" * 200]], warnings=["z" * 200]))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for width in (1400, 400):
                page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page.on("console", lambda message: trouble.append(message.text))
                page.on("pageerror", lambda error: trouble.append(str(error)))
                page.on(
                    "request", lambda r: trouble.append(r.url) if not r.url.startswith(("file:", "data:")) else None
                )
                page.goto((run / "index.html").as_uri())
                assert page.evaluate("document.documentElement.scrollWidth") == width
                for box in (image.bounding_box() for image in page.locator(".pictures img").all()):
                    assert box["x"] + box["width"] < width  # the prediction is the right one of three panels
                for image in page.locator("img").all():
                    assert image.evaluate("image => image.naturalWidth") > 0
                for link in page.locator("a[href]").all():
                    assert link.evaluate("link => link.href").startswith("file:")
                page.close()
        browser.close()
    assert trouble == []
