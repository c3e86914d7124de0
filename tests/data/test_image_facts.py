"""Opening image files: listed formats alone, what a file says about itself, and limits before pixels are decoded."""

import os
import socket
import subprocess
import sys
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from raw_images import exif, save_marked, write_raw_png

from lbt.data.images import MAX_PIXELS, read_facts, read_image, refuse_frames
from lbt.data.masks import read_mask
from lbt.errors import LbtError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
FOREIGN = {
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 6\n": "it is PostScript",
    b"\xc5\xd0\xd3\xc6" + b"\0" * 40: "it is PostScript",
    b"%PDF-1.4\n": "it is a PDF",
    b"GIF89a" + b"\0" * 40: "it is a GIF",
    b"\0\0\0\x20ftypavif": "it is AVIF",
    b"\0\0\0\x20ftypheic": "it is HEIC",
    b"\0\0\0\x20ftypisom": "it is a video, .* make its frames first",
    b"icns" + b"\0" * 40: "it is an image of another format",
    b"\0\0\0\x0cjP  \r\n\x87\n": "it is JPEG 2000",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n": "it is a pointer of Git LFS, .* `git lfs pull`",
    b"<!DOCTYPE html><html>": "it is a page of HTML",
    b"a list of things to do\n" * 30: "it is text",
    "Bäume ".encode() * 90: "it is text",  # whose first 512 bytes end inside a letter
    b"": "it is empty",
    bytes(range(128, 256)): "it is unknown data",
}


@pytest.mark.parametrize(("content", "message"), FOREIGN.items(), ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("reader", [read_image, read_mask, read_facts])
def test_other_formats_are_named_and_never_opened(tmp_path, monkeypatch, content, message, reader):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    gs = tmp_path / "gs"
    gs.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    gs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(LbtError, match=rf"a\.png: cannot be decoded \({message}"):
        reader(path)
    assert not (tmp_path / "started").exists()


STARTS = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"RIFF\4\0\0\0WEBP", b"BM", b"P6 "]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("rest", [b"", b"\0" * 40, bytes(range(256))])
def test_a_bare_start_of_a_format_is_a_damaged_file(tmp_path, start, rest):
    (tmp_path / "a.png").write_bytes(start + rest)
    with pytest.raises(
        LbtError, match=r"a\.png: cannot be decoded \(.*\); replace it with a whole copy, or save it again as PNG\.$"
    ):
        read_image(tmp_path / "a.png")


def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    os.mkfifo("pipe.png")
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        for name in ("pipe.png", "folder.png", "socket.png", "/dev/zero"):
            with pytest.raises(LbtError, match="is not a plain file"):
                read_image(name)
    with pytest.raises(LbtError, match="could not be read"):
        read_image("a\0.png")


@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "jpg", "webp"])
def test_a_large_image_is_refused_before_it_is_decoded(tmp_path, ending):
    path = tmp_path / f"large.{ending}"
    Image.new("L", (300, 200)).save(path)
    for reader in (read_image, read_facts, lambda file, limit: read_mask(file, {}, limit)):
        with pytest.raises(LbtError, match=r"300 x 200 pixels .* above the limit data\.max_pixels = 59999\. Make"):
            reader(path, 59_999)
    assert read_image(path, 60_000).shape == (200, 300, 3)


def test_the_default_limit_needs_no_memory_and_no_warning_of_pillow(tmp_path):
    path = tmp_path / "bomb.png"
    head = write_raw_png(path, np.zeros((1, 1)), 8, 0).read_bytes()
    bomb = head[:16] + (12_000).to_bytes(4, "big") + (9_000).to_bytes(4, "big") + head[24:]
    path.write_bytes(bomb[:29] + zlib.crc32(bomb[12:29]).to_bytes(4, "big") + bomb[33:])
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LbtError, match=rf"12000 x 9000 pixels .*, 108 million in all, .* = {MAX_PIXELS}"):
            read_image(path)
        with pytest.raises(LbtError, match="cannot be decoded"):  # the limit was raised, and the pixels are missing
            read_image(path, 200_000_000)
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("ending", ["png", "late", "webp", "tif", "jpg", "xmp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_found_in_every_format(tmp_path, ending, orientation):
    facts = read_facts(save_marked(tmp_path / f"a.{ending}", PIXELS, orientation))
    assert facts.orientation == orientation and facts.stored == (6, 9)
    assert facts.size == ((9, 6) if orientation >= 5 else (6, 9))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_counts_as_none(tmp_path, value):
    Image.fromarray(PIXELS).save(tmp_path / "a.png", exif=exif(value))
    assert read_facts(tmp_path / "a.png").orientation == 1


def test_exif_data_that_cannot_be_read_turn_nothing_and_nobody_hears_of_them(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\x08\0\0\0no list of tags")
    program = "import sys; from lbt.data.images import read_image; print(read_image(sys.argv[1]).shape)"
    words = [sys.executable, "-c", program, str(tmp_path / "a.jpg")]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("(6, 9, 3)\n", "")


@pytest.mark.parametrize("ending", ["tif", "webp", "png"])
def test_pages_and_frames_are_counted_and_refused(tmp_path, ending):
    path, images = tmp_path / f"a.{ending}", [Image.new("RGB", (9, 6), (99 * i, 0, 0)) for i in range(3)]
    images[0].save(path, save_all=True, append_images=images[1:])
    facts = read_facts(path)
    assert facts.frames == 3
    with pytest.raises(LbtError, match="holds 3 pages or frames; save each as a file of its own"):
        refuse_frames(path, facts)
    for reader in (read_image, read_mask, lambda file: read_mask(file, {})):
        with pytest.raises(LbtError, match="holds 3 pages or frames"):
            reader(path)


def test_the_preview_in_a_file_of_a_phone_is_no_second_frame(tmp_path):
    image = Image.fromarray(PIXELS)
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[image.resize((3, 2))])
    image.save(tmp_path / "b.jpg")
    assert np.array_equal(read_image(tmp_path / "a.jpg"), read_image(tmp_path / "b.jpg"))


def test_a_long_chain_of_pages_is_not_followed_to_its_end(tmp_path):
    from PIL import TiffImagePlugin

    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "a.tif"), True) as file:
        for _ in range(130):
            Image.new("L", (2, 2)).save(file, "TIFF")
            file.newFrame()
    assert read_facts(tmp_path / "a.tif").frames == 100
