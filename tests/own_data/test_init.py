"""`lbt init`: the file passes `lbt check` as it is, and what cannot work is refused before anything is written."""

import time

import pytest
from pictures import SIZE, names, save_mask, save_pairs, save_photo, stripes
from PIL import Image

from lbt.__main__ import main
from lbt.config import schema
from lbt.config.read import read_settings
from lbt.own_data import proposal, survey, write
from lbt.own_data.duration import Duration

ROAD, CAR, SKY, BLACK = (128, 64, 128), (0, 0, 142), (70, 130, 180), (0, 0, 0)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder to work in; nothing is timed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(write, "estimate_duration", lambda *_: Duration(40, "guessed"))
    return tmp_path


def init(*words):
    return main(["init", *map(str, words)])


def palette(root):
    save_pairs(root, names(10))
    for name in names(10):
        image = Image.fromarray(stripes((0, 1, 2)), "P")
        image.putpalette([*BLACK, *ROAD, *CAR])
        image.save(root / f"masks/{name}.png")


def binary(root):
    save_pairs(root, names(10), values=(0, 255))


def colors(root):
    save_pairs(root, names(10), values=(ROAD, CAR, SKY, BLACK))


def without(root):
    save_pairs(root, names(8))
    for name in names(4, "more {} ü"):
        save_photo(root / f"photos/{name}.png")


def sizes(root):
    save_pairs(root, names(10))
    for name in names(3):
        save_photo(root / f"photos/{name}.jpg", (90, 70))
        save_mask(root / f"masks/{name}.png", (0, 1, 2), (90, 70))


def rare(root):
    save_pairs(root, names(10))
    save_mask(root / "masks/IMG_0003.png", (0, 1, 2, 7))


def frames(root):
    save_pairs(root, names(30, "ride_{:05d}"))


def fewest(root):
    save_pairs(root, names(7))


def parts(root):
    for part in ("train", "val", "test"):
        save_pairs(root, names(6, part + "-{}-x"), f"photos/{part}/{{}}.jpg", f"masks/{part}/{{}}.png")


def unseen_part(root):
    parts(root)
    save_mask(root / "masks/val/val-1-x.png", (0, 1, 2, 9))


def turned(root):
    save_pairs(root, names(10))
    exif = Image.Exif()
    exif[274] = 6
    for name in names(10):
        save_photo(root / f"photos/{name}.jpg", (64, 48), exif=exif)
        save_mask(root / f"masks/{name}.png", size=(64, 48))


CASES = (palette, binary, colors, without, sizes, rare, frames, fewest, parts, unseen_part, turned)


@pytest.mark.parametrize("make", CASES)
def test_the_file_passes_the_check(here, capsys, make):
    root = here / "meine Kamera é"
    make(root)
    assert init(root / "photos", root / "masks") == 0
    said = capsys.readouterr().out
    file = here / "meine-Kamera-e.yaml"
    assert "snakemake --snakefile" in said and "--configfile meine-Kamera-e.yaml" in said and "about 40 minutes" in said
    assert main(["check", str(file)]) == 0, capsys.readouterr().err
    settings = read_settings(file)
    assert settings.methods == ("lbt", "random") and settings.run == "meine-Kamera-e"
    assert settings.latency.input_size in (SIZE, (48, 64))
    wanted = {"palette": 3, "binary": 2, "colors": 3, "rare": 4}.get(make.__name__, 3)
    assert settings.data.folder is not None and len(settings.data.folder.classes) == wanted


def test_names_of_classes(here, capsys):
    root = here / "camera"
    save_pairs(root, names(10))
    (here / "names.txt").write_text("sky\nno\nSee ü\n", encoding="utf-8-sig")
    assert init(root / "photos", root / "masks", "--classes", "names.txt", "--output", "mine.yaml") == 0
    folder = read_settings(here / "mine.yaml").data.folder
    assert [c.name for c in folder.classes] == ["sky", "no", "See ü"]
    assert "names from names.txt" in (here / "mine.yaml").read_text()


def test_the_name_of_the_class_file_stays_in_its_comment(here):
    root = here / "camera"
    save_pairs(root, names(10))
    (here / "two\nlines.txt").write_text("0,sky\n1,no\n")
    assert init(root / "photos", root / "masks", "--classes", "two\nlines.txt", "--output", "mine.yaml") == 0
    assert read_settings(here / "mine.yaml").data.folder.ignore == (2,)


def test_editors_find_the_schema_beside_the_file(here, monkeypatch):
    monkeypatch.setattr(schema, "ROOT", here / "clone")
    (here / "clone/config").mkdir(parents=True)
    (here / "clone/config/schema.json").write_text("{}")
    root = here / "camera"
    save_pairs(root, names(10))
    for file in ("clone/config/mine.yaml", "mine.yaml"):
        assert init(root / "photos", root / "masks", "--output", file) == 0
    inside, outside = ((here / file).read_text().splitlines() for file in ("clone/config/mine.yaml", "mine.yaml"))
    assert inside[0] == "# yaml-language-server: $schema=schema.json" and inside[1:2] == outside[:1]


def test_an_existing_file_is_not_replaced(here, capsys):
    root = here / "camera"
    save_pairs(root, names(10))
    (here / "camera.yaml").write_text("mine")
    assert init(root / "photos", root / "masks") == 1
    assert "camera.yaml: exists and is not replaced" in capsys.readouterr().err
    assert init(root / "photos", root / "masks", "--output", here) == 1
    assert "is a folder" in capsys.readouterr().err
    assert (here / "camera.yaml").read_text() == "mine" and len(list(here.glob("*.yaml"))) == 1


def test_a_run_of_the_same_name_is_left_alone(here):
    root = here / "camera"
    save_pairs(root, names(10))
    (here / "results" / "camera").mkdir(parents=True)
    assert init(root / "photos", root / "masks") == 0
    assert read_settings(here / "camera-2.yaml").run == "camera-2"


def unreadable(root):
    (root / "photos/IMG_0004.jpg").write_bytes(b"no photograph")
    return "photos/IMG_0004.jpg"


def lossy(root):
    for name in names(10):
        (root / f"masks/{name}.png").unlink()
        Image.fromarray(stripes((0, 1, 2))).save(root / f"masks/{name}.jpg")
    return "format that changes values (JPEG)"


def one(root):
    for name in names(10)[1:]:
        (root / f"photos/{name}.jpg").unlink()
        (root / f"masks/{name}.png").unlink()
    return "1 photograph(s) with a mask are too few. At least 7 with a mask are needed"


def orphan(root):
    save_mask(root / "masks/nobody.png")
    return "masks/nobody.png: has no image"


def swapped(root):
    (root / "photos").rename(root / "kept")
    (root / "masks").rename(root / "photos")
    (root / "kept").rename(root / "masks")
    return "seem to be swapped"


@pytest.mark.parametrize("spoil", [unreadable, lossy, one, orphan, swapped])
def test_what_cannot_work_is_refused(here, capsys, spoil):
    root = here / "camera"
    save_pairs(root, names(10))
    said = spoil(root)
    assert init(root / "photos", root / "masks") == 1
    message = capsys.readouterr().err
    assert said in message and "Traceback" not in message and not list(here.glob("*.yaml"))


def test_of_very_many_photographs_some_are_read(here, capsys, monkeypatch):
    """Files are links, because what takes long is reading them."""
    root = here / "camera"
    save_pairs(root, names(2))
    for number in range(2, 3000):
        for folder, ending in (("photos", "jpg"), ("masks", "png")):
            (root / folder / f"IMG_{number:04d}.{ending}").hardlink_to(root / folder / f"IMG_{number % 2:04d}.{ending}")
    monkeypatch.setattr(survey, "_MOST", 100)
    monkeypatch.setattr(proposal, "_READ", 10_000)
    began = time.process_time()
    assert init(root / "photos", root / "masks") == 0
    assert time.process_time() - began < 60
    said = capsys.readouterr().out
    assert "note: 100 of 3000 masks were read, evenly spaced" in said
    assert "100 of 3000 masks were read" in (here / "camera.yaml").read_text()


def test_the_same_photographs_give_the_same_file(here):
    root = here / "camera"
    frames(root)
    files = ("one/a.yaml", "two/a.yaml")
    for name in files:
        (here / name).parent.mkdir()
        assert init(root / "photos", root / "masks", "--output", name) == 0
    first, second = ((here / name).read_text().replace(name, "") for name in files)
    assert first == second


def test_the_run_has_the_name_of_the_file(here):
    root = here / "camera"
    save_pairs(root, names(10))
    (here / "results/taken").mkdir(parents=True)
    for file, run in (("second try.yaml", "second-try"), ("taken.yaml", "taken-2"), ("aux.yaml", "run-aux")):
        assert init(root / "photos", root / "masks", "--output", file) == 0
        assert read_settings(here / file).run == run
