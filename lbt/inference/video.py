"""Video files, read and written by FFmpeg through the package PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from lbt.errors import LbtError
from lbt.files import atomic_path, open_regular

# A stranger's file is read as one of these containers only. Others, such as playlists, name further files to open.
_CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,ogg,asf"
_CODECS = ("libx264", "libopenh264", "mpeg4")
_USUAL_RATE = Fraction(25)


@dataclass(frozen=True)
class Video:
    """An open video.

    Attributes:
        frames: each frame upright, (H, W, 3) uint8; raises LbtError at the first that cannot be decoded.
        rate: frames per second, their mean over the video.
        count: number of frames as the file tells it; 0 if it does not.
    """

    frames: Iterator[np.ndarray]
    rate: Fraction
    count: int


def require_pyav(path: Path) -> ModuleType:
    """The package PyAV.

    Raises:
        LbtError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise LbtError(
            f"{path}: is a video, which needs the package PyAV ({error}). Install it with: pip install av"
        ) from error
    return av


@contextmanager
def open_video(path: Path, max_pixels: int) -> Iterator[Video]:
    """Open a video; frames are decoded one by one, so that a long video needs no more memory than a short one.

    Args:
        path: the file, which may be a stranger's.
        max_pixels: the most pixels that a frame may have.

    Raises:
        LbtError: PyAV is missing, or the file cannot be read, is no video of a known kind, or is larger than the limit.
    """
    av = require_pyav(path)
    # FFmpeg decodes frames to find out what a file holds, before their size is known. Its own limit counts pixels that
    # it adds at the border, so it must be wider than the one that `_decode` keeps.
    wide = str(2 * max_pixels + 1_000_000)
    limits = {"format_whitelist": _CONTAINERS, "max_pixels": wide}
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "rb", opener=open_regular))
        except OSError as error:
            raise LbtError(f"{path}: could not be read ({error.strerror}).") from error
        with _reading(path, max_pixels):
            opened = av.open(file, options=limits, io_open=_refuse_others, metadata_errors="replace")
            container = stack.enter_context(opened)
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise LbtError(f"{path}: holds no pictures, only sound or text. Name a video.")
            if stream.width * stream.height > max_pixels:
                _refuse_size(path, stream.width, stream.height, max_pixels)
            stream.codec_context.options = {"max_pixels": wide}
            rate, count = _read_rate(stream), _read_count(container, stream)
        yield Video(_decode(path, max_pixels, container, stream), rate, count)


@contextmanager
def write_video(path: Path, rate: Fraction) -> Iterator[Callable[[np.ndarray], None]]:
    """Write an MP4 file, which appears when it is whole.

    Yields:
        `write(frame)`, which appends a frame (H, W, 3) uint8; all have the size of the first. An odd size gets a pixel
        more at the border, because the format stores colours at half the size.

    Raises:
        LbtError: PyAV is missing, or the file cannot be written.
    """
    av = require_pyav(path)
    stream: Any = None
    with atomic_path(path) as temporary:
        try:
            with av.open(str(temporary), "w", format="mp4") as container:

                def write(frame: np.ndarray) -> None:
                    nonlocal stream
                    height, width, _ = frame.shape
                    frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
                    if stream is None:
                        stream = _add_stream(av, container, frame, rate)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))

                yield write
                if stream is not None:
                    container.mux(stream.encode())
        except av.error.FFmpegError as error:
            raise LbtError(
                f"{path}: could not be written ({error.strerror or type(error).__name__}). Free space, choose another "
                "place, or make the video smaller; nothing half-written was left behind."
            ) from error


def _add_stream(av: ModuleType, container: Any, frame: np.ndarray, rate: Fraction) -> Any:
    codec = next(name for name in _CODECS if name in av.codec.codecs_available)
    stream = container.add_stream(codec, rate=rate)
    stream.height, stream.width, _ = frame.shape
    stream.pix_fmt = "yuv420p"  # what every player shows
    if codec == "libx264":
        stream.codec_context.options = {"crf": "20", "preset": "veryfast"}
    return stream


def _decode(path: Path, max_pixels: int, container: Any, stream: Any) -> Iterator[np.ndarray]:
    first, number = None, 0
    with _reading(path, max_pixels):
        for frame in container.decode(stream):
            if frame.width * frame.height > max_pixels:
                _refuse_size(path, frame.width, frame.height, max_pixels)
            size = (frame.width, frame.height, frame.rotation)
            first = first or size
            if size != first:
                raise LbtError(
                    f"{path}: changes its size or its orientation at frame {number + 1}. Cut it there into two videos."
                )
            number += 1
            yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))
    if not number:
        raise LbtError(f"{path}: holds no frame that can be decoded. Replace it with a whole copy.")


def _read_rate(stream: Any) -> Fraction:
    found = [stream.average_rate, stream.guessed_rate, _USUAL_RATE]
    rate = Fraction(next(rate for rate in found if rate and 0 < rate <= 1000))
    # Formats take no large numbers. Of a time lapse the seconds of a frame are rounded, because its rate would be 0.
    return rate.limit_denominator(1001) if rate > 1 else 1 / (1 / rate).limit_denominator(1001)


def _read_count(container: Any, stream: Any) -> int:
    count = stream.frames
    if not count and container.duration:  # in microseconds
        count = round(container.duration * _read_rate(stream) / 1_000_000)
    return max(0, min(count, 10**9))


def _refuse_others(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise PermissionError(f"it names another file, {url}")


def _refuse_size(path: Path, width: int, height: int, max_pixels: int) -> NoReturn:
    raise LbtError(
        f"{path}: has frames of {width} x {height} pixels (width x height), above the limit --max-pixels = "
        f"{max_pixels}. Make the video smaller, or raise --max-pixels."
    )


@contextmanager
def _reading(path: Path, max_pixels: int) -> Iterator[None]:
    """Turn an error of FFmpeg into a message."""
    try:
        yield
    except LbtError:
        raise
    except Exception as error:  # PyAV has a class for each of FFmpeg's errors, and raises others for damaged files
        text = getattr(error, "strerror", None) or type(error).__name__
        raise LbtError(
            f"{path}: cannot be decoded ({text}). It is damaged, of an unknown kind, or its frames are above the limit "
            f"--max-pixels = {max_pixels}. Replace it with a whole copy, or convert it to MP4."
        ) from error
