"""The watch over what a program does with a spoiled file: it notices each kind of harm."""

import os
from pathlib import Path

import pytest
import watched_cases
from mutations import TEXTS
from watched_cases import check_cases, require_plain, require_refusal, run_cases

HARMS = ("none", "outside", "error", "busy", "memory", "crash", "program", "link")


def harm(folder, draw):
    """Does one of `HARMS`, in turn with the seed."""
    kind = HARMS[int((folder.parent / "next").read_text())]
    (folder.parent / "next").write_text(str(HARMS.index(kind) + 1))
    watched_cases.SECONDS = 0.3
    yield kind
    if kind == "outside":
        (folder.parent / "outside").write_text("")
    elif kind == "error":
        raise ValueError("a defect")
    elif kind == "busy":
        while True:
            pass
    elif kind == "memory":
        bytearray(600_000_000)
    elif kind == "crash":
        os.abort()
    elif kind == "program":
        os.system("true")
    elif kind == "link":
        (folder / "link").symlink_to(folder.parent)
        (folder / "link" / "outside").write_text("")
    else:
        (folder / "inside").write_text("")
    yield "done"


def test_each_kind_of_harm_is_noticed(tmp_path):
    (tmp_path / "next").write_text("0")
    found = run_cases("test_watched_cases:harm", len(HARMS), tmp_path, modules=(str(Path(__file__).parent),))
    problems = {run["damage"].strip("'"): run["problem"] for run in found}
    assert problems.pop("none") is None
    expected = ("touched", "a defect", "SIGXCPU", "MB", "SIGABRT", "os.system", "touched")
    for kind, words in zip(HARMS[1:], expected, strict=True):
        assert words in problems[kind], (kind, problems[kind])
    with pytest.raises(AssertionError, match="a defect"):
        check_cases(found, len(HARMS), {"done"})
    check_cases(found[:1], 1, {"done"})


@pytest.mark.parametrize("text", [text for text in TEXTS if "\x1b" in text or "\u202e" in text or "\x00" in text])
def test_text_that_controls_a_terminal_is_noticed(text):
    with pytest.raises(AssertionError):
        require_plain(f"lbt predict: {text}\n")


def test_a_refusal_is_one_message():
    assert require_refusal(1, "lbt predict: is damaged\n  line 3\n") == "refused"
    for code, text in ((0, "lbt predict: x"), (1, ""), (1, "lbt predict: x\nlbt predict: y"), (1, "Traceback (most")):
        with pytest.raises(AssertionError):
            require_refusal(code, text)
