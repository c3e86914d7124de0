"""Videos: every frame is segmented as a photograph is, and a stranger's file ends in a message."""

import shutil
import struct
import sys
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from random_network import write_network

import lbt
from lbt.__main__ import main
from lbt.errors import LbtError
from lbt.inference.video import open_video, write_video


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("network") / "network.pt")


def pictures(count, height, width):
    """Frames (H, W, 3) uint8 of a moving ramp."""
    ramp = np.linspace(0, 200, width) + np.linspace(0, 40, height)[:, None]
    return [np.stack([ramp + 3 * i, 255 - ramp, np.full_like(ramp, 20 * i)], -1).astype(np.uint8) for i in range(count)]


def write_clip(path, frames, codec="ffv1", rate=10):
    """A video without loss, by PyAV alone."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, _ = frames[0].shape
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def read_clip(path):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return frames, container.streams.video[0].average_rate


def predict(*words):
    return main(["predict", *map(str, words)])


def test_each_frame_gets_the_labels_of_its_picture(network, tmp_path, capsys):
    frames, loaded = pictures(7, 45, 71), lbt.load_network(network)
    clip = write_clip(tmp_path / "clip.mkv", frames)
    assert predict(network, clip, "--output", tmp_path / "out", "--opacity", 0) == 0
    labels = sorted((tmp_path / "out/labels/clip").iterdir())
    assert [path.name for path in labels] == [f"{i:06d}.png" for i in range(1, 8)]
    for path, frame in zip(labels, frames, strict=True):
        with Image.open(path) as image:
            assert image.mode == "P" and np.array_equal(np.array(image), loaded(frame).numpy())
    overlays, rate = read_clip(tmp_path / "out/overlays/clip.mp4")
    assert rate == 10 and len(overlays) == 7 and overlays[0].shape == (46, 72, 3)
    for overlay, frame in zip(overlays, frames, strict=True):  # without opacity the overlay is the frame
        assert np.abs(overlay[:45, :71].astype(int) - frame).mean() < 6
    assert "7 images in" in capsys.readouterr().out


def test_a_shorter_video_leaves_no_frames_of_a_longer_one(network, tmp_path):
    output = ("--output", tmp_path / "out")
    assert predict(network, write_clip(tmp_path / "clip.mkv", pictures(5, 32, 64)), *output) == 0
    (tmp_path / "out/labels/clip/notes.txt").write_text("mine")
    assert predict(network, write_clip(tmp_path / "clip.mkv", pictures(2, 32, 64)), *output) == 0
    left = {path.name for path in (tmp_path / "out/labels/clip").iterdir()}
    assert left == {"000001.png", "000002.png", "notes.txt"}


def test_photograph_and_overlay_stand_side_by_side(network, tmp_path):
    frames = pictures(3, 40, 60)
    clip = write_clip(tmp_path / "clip.mkv", frames)
    Image.fromarray(frames[0]).save(tmp_path / "a.png")
    command = (network, clip, tmp_path / "a.png", "--output", tmp_path / "out", "--opacity", 1, "--side-by-side")
    assert predict(*command) == 0
    with Image.open(tmp_path / "out/overlays/a.png") as picture:
        both = np.array(picture)
    with Image.open(tmp_path / "out/labels/a.png") as picture:
        assert np.array_equal(both, np.hstack([frames[0], np.array(picture.convert("RGB"))]))
    video, _ = read_clip(tmp_path / "out/overlays/clip.mp4")
    assert video[0].shape == (40, 120, 3) and np.abs(video[0][:, :60].astype(int) - frames[0]).mean() < 6


def turn_clip(path):
    """Mark an MP4 file as filmed by a camera that was held upright: to be shown a quarter turn clockwise."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40  # ISO 14496-12, 8.3.2, version 0
    turned = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    content[matrix : matrix + 36] = struct.pack(">9i", *turned)
    path.write_bytes(content)


def test_a_turned_video_is_upright(tmp_path):
    frames = pictures(2, 32, 64)
    clip = write_clip(tmp_path / "clip.mp4", frames, "libx264")
    turn_clip(clip)
    with open_video(clip, 10_000) as video:
        found = list(video.frames)
        assert video.count == 2
    assert found[0].shape == (64, 32, 3)
    assert (
        np.abs(found[0].astype(int) - np.rot90(frames[0], -1)).mean()
        < 12
        < np.abs(found[0].astype(int) - np.rot90(frames[0])).mean()
    )


def test_a_video_that_breaks_off_keeps_what_came_before(network, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mkv", pictures(20, 64, 96))
    whole = clip.read_bytes()
    clip.write_bytes(whole[: len(whole) // 2] + bytes(np.random.default_rng(0).bytes(len(whole) // 2)))
    code = predict(network, clip, "--output", tmp_path / "out")
    count = len(list((tmp_path / "out/labels/clip").iterdir()))
    assert 5 < count < 20 and len(read_clip(tmp_path / "out/overlays/clip.mp4")[0]) == count
    message = capsys.readouterr().err
    assert "Traceback" not in message
    if code:
        assert "clip.mkv: cannot be decoded" in message and f"Only its first {count} frames" in message


def test_files_that_are_no_videos_are_named_and_the_others_go_on(network, tmp_path, capsys):
    good = write_clip(tmp_path / "good.mkv", pictures(2, 33, 40))
    (tmp_path / "secret.ts").write_bytes(write_clip(tmp_path / "s.mkv", pictures(2, 33, 40)).read_bytes())
    strange = {
        "empty.mp4": b"",
        "zeros.mov": b"\0" * 5000,
        "text.avi": b"no video\n" * 100,
        # playlists, which name other files
        "list.ts": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/secret.ts\n".encode(),
        "join.mkv": f"ffconcat version 1.0\nfile {tmp_path}/secret.ts\n".encode(),
        "picture.webm": (tmp_path / "p.png").read_bytes() if (tmp_path / "p.png").exists() else b"\x89PNG\r\n\x1a\n",
    }
    for name, content in strange.items():
        (tmp_path / name).write_bytes(content)
    names = [tmp_path / name for name in strange]
    assert predict(network, *names, good, "--output", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert f"{len(strange)} of {len(strange) + 1} images could not be read" in message and "Traceback" not in message
    assert all(f"{name}: " in message for name in strange)
    assert [path.name for path in (tmp_path / "out/labels").iterdir()] == ["good"]
    assert [path.name for path in (tmp_path / "out/overlays").iterdir()] == ["good.mp4"]


def test_large_frames_are_refused_before_they_are_decoded(network, tmp_path, capsys):
    clip = write_clip(tmp_path / "clip.mkv", pictures(2, 33, 44))
    assert predict(network, clip, "--output", tmp_path / "out", "--max-pixels", 1451) == 1
    message = capsys.readouterr().err
    assert "clip.mkv: " in message and "above the limit --max-pixels = 1451" in message
    assert not (tmp_path / "out/labels").exists()
    assert predict(network, clip, "--output", tmp_path / "out", "--max-pixels", 1452) == 0


def test_without_pyav_the_message_says_how_to_install_it(network, tmp_path, capsys, monkeypatch):
    clip = write_clip(tmp_path / "clip.mkv", pictures(2, 33, 44))
    monkeypatch.setitem(sys.modules, "av", None)
    assert predict(network, clip, "--output", tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert "clip.mkv: is a video, which needs the package PyAV" in message
    assert message.endswith("Install it with: pip install av\n")
    assert not (tmp_path / "out").exists()
    shutil.copy(clip, tmp_path / "a")
    Image.fromarray(pictures(1, 33, 44)[0]).save(tmp_path / "a.png")
    assert predict(network, tmp_path / "a.png", "--output", tmp_path / "out") == 0  # images do not need it


@pytest.mark.parametrize("rate", [Fraction(1, 3600), Fraction(2, 5), Fraction(30000, 1001)])
def test_a_time_lapse_keeps_its_rate(tmp_path, rate):
    clip = write_clip(tmp_path / "slow.mp4", pictures(3, 64, 64), "mpeg4", rate)
    with open_video(clip, 10_000) as video, write_video(tmp_path / "copy.mp4", video.rate) as write:
        assert video.rate == rate
        for frame in video.frames:
            write(frame)
    assert read_clip(tmp_path / "copy.mp4")[1] == rate


def test_a_video_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), write_video(tmp_path / "clip.mp4", Fraction(25)) as write:
        write(pictures(1, 32, 32)[0])
        raise RuntimeError
    with (
        pytest.raises(LbtError, match="could not be written"),
        write_video(tmp_path / "wide.mp4", Fraction(25)) as write,
    ):
        write(np.zeros((2, 40_000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
