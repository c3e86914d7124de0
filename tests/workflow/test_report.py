"""The report is one file that opens offline in a browser and shows every table and figure."""

import re
import shutil
from pathlib import Path

import pytest
from clone import ROOT, Clone
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's package chromium")
LIMIT = 20_000_000
INSIDE = ("file:", "data:", "blob:")
METHODS = ("fasterseg", "lbt", "lpt", "random")
OF_METHOD, OF_SEARCHED = {"derived network", "confusion matrix"}, {"operators, paths and widths over the rounds"}
COMPARED = {
    "Figures": {
        "accuracy against latency",
        "warm-up of supernet and student",
        "mIoU and losses over the rounds",
        "latency and entropies over the rounds",
        "gradients and skipped updates over the rounds",
        "retraining",
        "ground truth and predictions, seed 0",
    },
    "Settings": {"settings and versions"},
    "Tables": {
        "1. mIoU by method",
        "2. mIoU by method and seed",
        "3. IoU by class",
        "4. latency predicted against measured",
        "5. how far the search decided",
    },
}
SHOWN, GIVEN = "document.querySelector('.p-3 > img')", "results[app.state.resultPath].data_uri"


@pytest.fixture(scope="module")
def report(finished, tmp_path_factory) -> tuple[Clone, Path]:
    clone = finished[0].copy(tmp_path_factory.mktemp("reported") / "clone")
    result = clone.snakemake("--report", "report.html")
    assert result.returncode == 0, result.stderr[-4000:]
    return clone, clone.folder / "report.html"


@pytest.fixture(scope="module")
def opened(report):
    """The opened report, and a list of errors and of requests to other machines."""
    trouble = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1000})
        page.on("console", lambda m: trouble.append(f"console: {m.text}") if m.type == "error" else None)
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on(
            "request",
            lambda r: (
                trouble.append(f"request: {r.url}") if not r.url.startswith(("file:", "data:", "blob:")) else None
            ),
        )
        page.goto(report[1].as_uri())
        page.wait_for_selector("#brand", state="attached")
        yield page, trouble
        browser.close()


def items(page: Page) -> list[str]:
    """First labels of the listed items."""
    return [row.locator("td").first.inner_text() for row in page.locator("nav tbody tr").all()]


def enter(page: Page, *names: str) -> None:
    """Open a category from the start page, then a subcategory if one is named."""
    page.locator("nav ol a").first.click()
    for name in names:
        page.locator("nav ul").get_by_text(name, exact=True).click()


def look_at(page: Page, item: str) -> None:
    """Show an item and wait until a picture has pixels or a page has a heading and text."""
    row = page.locator("nav tbody tr", has=page.get_by_text(item, exact=True))
    row.locator("a").first.click()
    page.wait_for_function(
        "item => Object.values(results[app.state.resultPath]?.labels ?? {}).includes(item)", arg=item
    )
    if page.evaluate("app.state.content") == "html":
        frame = page.frame_locator("iframe")
        frame.locator("h1").wait_for()
        assert frame.locator("td").count() > 4, item
        for part in ("html", ".wide"):  # nothing is cut off or needs scrolling to the side
            for box in frame.locator(part).all():
                assert box.evaluate("box => box.scrollWidth <= box.clientWidth"), (item, part)
    else:
        page.wait_for_function(
            f"(() => {{ const image = {SHOWN}; return image?.src === {GIVEN} && image.naturalWidth }})()"
        )
        assert page.evaluate(f"{SHOWN}.naturalWidth") > 100, item
    row.locator("a").nth(1).click()
    caption = page.locator("nav .prose").inner_text()
    assert len(caption) > 60, (item, caption)


def test_the_first_page_is_that_of_the_run_above_the_graph_of_rules(opened):
    page, _ = opened
    frame = page.frame_locator("iframe.run")
    assert frame.locator("h1").inner_text() == "Run tiny" and frame.locator(".badge").inner_text() == "finished"
    assert "lbt predict results/tiny/networks/" in frame.locator(".best").inner_text()
    assert frame.locator("tbody tr").count() >= 5 and not frame.locator(".links").is_visible()
    for image in frame.locator("img").all():
        assert image.evaluate("image => image.naturalWidth") > 0
    run, graph = (page.locator(name).bounding_box() for name in ("iframe.run", "#app #rulegraph"))
    assert run["y"] + run["height"] <= graph["y"] and run["width"] > 700


def test_the_first_page_describes_the_run_and_its_limits(opened):
    page, _ = opened
    text = page.locator(".prose").inner_text()
    assert "Run tiny" in text and "fasterseg, lbt, lpt, random (control)" in text
    assert "One seed: a difference between methods may be chance" in text
    assert "of the search 1 x 1, of the retraining 1;" in text


@pytest.mark.parametrize("subcategory", COMPARED)
def test_every_comparison_is_listed_and_opens(opened, subcategory):
    page, _ = opened
    enter(page, "Comparison", subcategory)
    assert set(items(page)) == COMPARED[subcategory]
    for item in COMPARED[subcategory]:
        enter(page, "Comparison", subcategory)
        look_at(page, item)


def test_the_main_table_is_first(opened):
    page, _ = opened
    enter(page, "Comparison", "Tables")
    assert items(page) == sorted(COMPARED["Tables"])


@pytest.mark.parametrize("method", METHODS)
def test_every_figure_of_a_method_is_listed_and_opens(opened, method):
    page, _ = opened
    enter(page, method)
    expected = OF_METHOD if method == "random" else OF_METHOD | OF_SEARCHED
    assert set(items(page)) == expected
    for item in expected:
        enter(page, method)
        look_at(page, item)


def test_the_pages_cause_no_error_and_no_request(opened):
    """Runs last, after the other tests have opened all items."""
    page, trouble = opened
    for name in ("Statistics", "About", "Workflow"):
        enter(page, name)
    assert trouble == []


def test_the_report_is_one_small_file_without_paths_of_the_machine(report):
    clone, path = report
    assert path.stat().st_size < LIMIT
    text = path.read_text()
    assert not re.search(r'(src|href)="https?://', text)
    assert str(ROOT) not in text and str(clone.folder) not in text
