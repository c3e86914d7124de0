"""The gallery in a browser without a network: content, filters, links, and a page of 2,000 images."""

import base64
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from labelled_run import confidence_of
from PIL import Image
from stage_calls import call_stage

from lbt.__main__ import main
from lbt.config import SearchSettings
from lbt.config.data import ImageFiles
from lbt.data.sample import Sample
from lbt.errors import LbtError
from lbt.views import gallery

CHROMIUM = shutil.which("chromium")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs the Debian package chromium")


def shards(run, number):
    return sorted((run / f"search/lbt/seed-0/round-{number}/pseudo_labels").glob("shard-*.h5"))


def write(labelled, number, output):
    call_stage(
        "gallery",
        data=labelled.settings.data,
        search=SearchSettings(rounds=2),
        split=labelled.run / "data/split.csv",
        shards=shards(labelled.run, number),
        previous=shards(labelled.run, number - 1),
        page=output,
    )
    return output


@pytest.fixture(scope="module")
def pages(labelled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return [write(labelled, number, folder / f"round-{number}" / "gallery.html") for number in (1, 2)]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    """A page that fails the test for anything on the console and any request outside the file."""
    # Playwright waits with `eval`, which the page forbids
    opened = browser.new_page(viewport={"width": 1300, "height": 800}, bypass_csp=True)
    faults = []
    opened.on("console", lambda message: faults.append(message.text))
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else faults.append(r.url))
    yield opened
    found = list(faults)  # closing the page cuts off pictures, which is not a fault of the page
    opened.close()
    assert not found


def content_of(path):
    text = path.read_text()
    facts = json.loads(re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)[1])
    blocks = re.findall(r'<script type="text/plain" id="pictures-\d+">([^<]*)</script>', text)
    return facts, [[Image.open(io.BytesIO(base64.b64decode(part))) for part in block.split(" ")] for block in blocks]


class Scripts(HTMLParser):
    """The text of each script of a page, as a browser finds where it ends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts, self.inside = [], False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "script":
            self.texts.append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag != "script"

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data


def test_a_class_name_cannot_become_a_script(labelled, tmp_path):
    name = "</script><script>alert(1)</script><!--<script>"
    heads = {path: gallery.read_head(path) for path in shards(labelled.run, 1)}
    hostile = {path: replace(head, classes=(name, *head.classes[1:])) for path, head in heads.items()}
    samples, data = {image.id: image for image in labelled.images}, labelled.settings.data
    links = {"previous": None, "next": None}
    gallery.write_gallery(tmp_path / "g.html", hostile, {}, samples, data, links)
    facts, _, *pictures = Scripts((tmp_path / "g.html").read_text()).texts
    assert json.loads(facts)["classes"][0] == name and "<" not in facts
    assert len(pictures) == len(labelled.images) and not any(re.search("[^A-Za-z0-9+/= ]", text) for text in pictures)


def test_the_page_forbids_every_request(pages):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', pages[0].read_text())[1]
    assert "default-src 'none'" in policy and "img-src data:" in policy


def test_the_page_holds_the_predictions(labelled, pages):
    facts, pictures = content_of(pages[1])
    assert [image["id"] for image in facts["images"]] == sorted(labelled.predictions[2])
    for image, (photograph, label, confidence) in zip(facts["images"], pictures, strict=True):
        now, before = (labelled.predictions[number][image["id"]] for number in (2, 1))
        np.testing.assert_array_equal(np.array(label), now.label)  # small enough to be kept whole
        colors = np.array(labelled.classes.colors, np.uint8)
        np.testing.assert_array_equal(np.array(label.convert("RGB")), colors[now.label])
        assert photograph.size == confidence.size == (97, 61)
        steps = confidence_of(now).astype(int) * (gallery.SHADES - 1) // 255
        np.testing.assert_array_equal(np.array(confidence), steps)
        luminance = np.array(confidence.convert("L"))
        assert luminance[steps == steps.max()].min() > luminance[steps == steps.min()].max()
        shown = {c: share for c, share, _ in image["classes"]}
        for c in range(labelled.classes.num_classes):
            assert shown.get(c, 0) == pytest.approx(1000 * (now.label == c).mean(), abs=0.051)
        assert image["confidence"] == round(1000 * confidence_of(now).mean() / 255)
        assert image["changed"] == pytest.approx(1000 * (now.label != before.label).mean(), abs=0.051)


def test_equal_shards_give_equal_bytes(labelled, pages, tmp_path):
    assert write(labelled, 2, tmp_path / "gallery.html").read_bytes() == pages[1].read_bytes()


def test_a_missing_image_is_named_and_no_page_remains(labelled, tmp_path, capsys):
    root = shutil.copytree(labelled.settings.data.root, tmp_path / "scenes")
    (root / labelled.images[0].image).unlink()
    place = ["shards", str(labelled.run / "search/lbt/seed-0/round-1"), "--root", str(root)]
    assert main([*place, "--gallery", str(tmp_path / "g.html")]) == 1
    assert labelled.images[0].image in capsys.readouterr().err
    assert not list(tmp_path.glob("*.html")) and not list(tmp_path.glob(".*"))


@needs_browser
def test_filters_and_order(pages, page):
    page.goto(pages[1].as_uri())
    page.wait_for_function("[...document.images].filter((i) => i.complete && i.naturalWidth).length >= 15")
    facts, _ = content_of(pages[1])
    assert all(page.eval_on_selector_all("img", "(all) => all.map((i) => i.alt.length > 10)"))

    def shown():
        return page.eval_on_selector_all(".card", "(all) => all.map((c) => Number(c.dataset.index))")

    sure = [image["confidence"] for image in facts["images"]]
    page.select_option("[name=order]", "unsure")
    assert [sure[i] for i in shown()] == sorted(sure)
    middle = sorted(sure)[2]
    page.fill("[name=from]", str(middle / 10))
    assert sorted(shown()) == [i for i, value in enumerate(sure) if value >= middle]
    page.click("text=Reset")
    page.wait_for_function("document.querySelectorAll('.card').length === 5")

    c, share, _ = facts["images"][0]["classes"][0]
    assert page.is_disabled("[name=share]")  # without a class there is no share
    page.select_option("[name=class]", str(c))
    page.fill("[name=share]", str(share / 10))
    enough = [any(own == c and part >= share for own, part, _ in image["classes"]) for image in facts["images"]]
    assert shown() == [i for i, fits in enumerate(enough) if fits]
    assert f"Confidence of {facts['classes'][c]} from" in page.inner_text("form")
    own = {i: part[2] for i, image in enumerate(facts["images"]) for part in image["classes"] if part[0] == c}
    page.select_option("[name=order]", "sure")
    assert [own[i] for i in shown()] == sorted((own[i] for i in shown()), reverse=True)
    page.fill("[name=name]", "no such name")
    assert shown() == [] and page.is_visible("text=No image fits")
    page.select_option("[name=class]", "")
    assert page.is_disabled("[name=share]")


@needs_browser
def test_keys_move_through_images_and_rounds(labelled, pages, page):
    def shown():
        """Wait for all pictures: navigation would cut off the others, and the console would report an error."""
        page.wait_for_selector("dialog[open]")
        page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth)")

    page.goto(pages[0].as_uri())
    page.click(".card button")
    names = sorted(labelled.predictions[1])
    assert page.inner_text("dialog h2").startswith(names[0])
    page.keyboard.press("ArrowLeft")  # there is no previous image
    page.keyboard.press("ArrowRight")
    assert page.inner_text("dialog h2").startswith(names[1])
    shown()
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**/round-2/gallery.html#image=*")
    shown()
    assert page.inner_text("dialog h2").startswith(names[1]) and "changed" in page.inner_text("dialog h2")
    page.keyboard.press("ArrowDown")  # there is no third round
    page.keyboard.press("ArrowUp")
    page.wait_for_url("**/round-1/gallery.html#image=*")
    shown()
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('dialog').open && !location.hash.includes('image=')")
    assert page.locator(".card.current h2").inner_text() == names[1]


@needs_browser
def test_of_two_thousand_images_the_page_decodes_only_those_in_view(labelled, page, tmp_path, monkeypatch):
    """Pictures of 480 x 360 pixels, whose text is as long as that of photographs; all 2,000 are the same one."""
    count, random = 2000, np.random.default_rng(0)
    image = np.array(Image.fromarray(random.integers(0, 256, (45, 60, 3), dtype=np.uint8)).resize((480, 360)))
    label = random.integers(0, 6, (36, 48), dtype=np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    head = gallery.read_head(shards(labelled.run, 1)[0])
    pictures = gallery._encode_pictures(image, label, image[..., 0], head)
    assert sum(map(len, pictures)) > 15_000

    class Many(list):
        __enter__, __exit__ = (lambda self: self), (lambda self, *_: None)
        read = staticmethod(lambda _: (label[::10, ::10], image[::10, ::10, 0]))

    many = iter((Many(f"image-{i:04d}" for i in range(count)), Many()))
    monkeypatch.setattr(gallery, "LabelledImages", lambda _: next(many))
    monkeypatch.setattr(gallery, "_encode_pictures", lambda *_: pictures)
    monkeypatch.setattr(gallery, "read_labelled_image", lambda *_: image)
    samples = {f"image-{i:04d}": Sample("", "", None, "") for i in range(count)}
    path = tmp_path / "many.html"
    gallery.write_gallery(
        path, {Path("a"): head}, {}, samples, ImageFiles(root=str(tmp_path)), {"previous": None, "next": None}
    )

    page.goto(path.as_uri())
    page.wait_for_function("[...document.images].filter((i) => i.complete && i.naturalWidth).length >= 9")
    drawn = "document.querySelectorAll('.card[data-filled]').length"
    assert page.evaluate("document.querySelectorAll('.card').length") == count
    assert page.evaluate(drawn) < 50  # the rest waits until it comes into view
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("[...document.querySelectorAll('.card')].at(-1).querySelector('img')?.naturalWidth > 0")
    assert page.evaluate(drawn) < 100


def test_a_shard_of_images_outside_the_split_is_refused(labelled, tmp_path):
    heads = {path: gallery.read_head(path) for path in shards(labelled.run, 1)}
    with pytest.raises(LbtError, match="is not in the split"):
        gallery.write_gallery(
            tmp_path / "g.html", heads, {}, {}, labelled.settings.data, {"previous": None, "next": None}
        )


def test_the_command_writes_a_page_of_each_round_with_links(labelled, tmp_path, capsys):
    assert main(["shards", str(labelled.run), "--gallery", str(tmp_path / "out" / "g.html")]) == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "g-lbt-seed-0-round-1.html",
        "g-lbt-seed-0-round-2.html",
    ]
    facts, _ = content_of(tmp_path / "out" / "g-lbt-seed-0-round-1.html")
    assert facts["links"] == {"previous": None, "next": "g-lbt-seed-0-round-2.html"}
    place = labelled.run / "search/lbt/seed-0/round-2"
    assert main(["shards", str(place), "--gallery", str(tmp_path / "one.html")]) == 0
    assert content_of(tmp_path / "one.html")[0]["images"][0]["changed"] is not None
