"""The user's expression for groups: what it sees, and that it ends."""

import signal
import threading
import time

import pytest

from lbt.data.groups import name_groups
from lbt.errors import LbtError

EVIL = ["photos/" + "a" * 60 + "!.jpg"]


@pytest.mark.parametrize("group", ["^((a+)+)$", "^((a|a)*)$", "^(a*)*b$", "(x+x+)+y|(a?){40}a{60}!b"])
def test_an_expression_that_takes_for_ever_is_refused_within_two_seconds(group):
    before, start = signal.getsignal(signal.SIGVTALRM), time.process_time()
    with pytest.raises(LbtError, match=r"data\.folder\.group: .* takes too long, for example on photos/a"):
        name_groups(EVIL, group)
    assert time.process_time() - start < 1.5
    assert signal.getsignal(signal.SIGVTALRM) == before and signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_usual_expressions_have_time_for_many_names():
    images = [f"photos/clip{number // 100}_{number:06d}.jpg" for number in range(50_000)]
    assert len(set(name_groups(images, "^(.*?)_?[^_]*$").values())) == 500


def test_the_expression_sees_the_stem_or_with_a_slash_the_path():
    images = ["photos/cam.1/clip_7.v2.jpg"]
    assert name_groups(images, "^(.*)$") == {images[0]: "clip_7.v2"}
    assert name_groups(images, "^(.*)/") == {images[0]: "photos/cam.1"}
    assert name_groups(images, "(z?)") == {images[0]: "all"}
    assert name_groups(images, "^(z)") == {images[0]: None}


def test_another_thread_may_name_groups():
    found = []
    thread = threading.Thread(target=lambda: found.append(name_groups(["a_1.png"], "^(.*)_")))
    thread.start()
    thread.join()
    assert found == [{"a_1.png": "a"}]
