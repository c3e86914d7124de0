"""Text of files in messages: one line stays one line, and nothing controls the terminal."""

import ast
import pickle
from pathlib import Path

import pytest

from lbt.__main__ import main
from lbt.errors import LbtError, Stopped, is_hidden, visible

PACKAGE = Path(__file__).resolve().parents[1] / "lbt"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("straße/路 <b> $x$ \\n", "straße/路 <b> $x$ \\n"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("gpj\u202egnp", r"gpj\u202egnp"),
        ("a\u2028b\ufeff", r"a\u2028b\ufeff"),
        ("caf\udce9.png", r"caf\udce9.png"),
        (b"bytes", "b'bytes'"),
    ],
)
def test_a_text_is_shown_in_one_line_without_effect(text, shown):
    assert visible(text) == shown
    assert visible(visible(text)) == shown
    assert is_hidden(str(text)) == (str(text) != shown)


def test_a_long_text_is_shortened_in_the_middle():
    assert visible("x" * 3 + "y" * 300_000 + "z") == "xxx" + "y" * 995 + "..." + "y" * 997 + "z"
    assert len(visible("x" * 100, 21)) == 21


def test_a_message_has_the_lines_that_the_program_gave_it():
    error = LbtError("a\nlbt check: forged", "  second\x1b[2J")
    assert str(error) == "a\\nlbt check: forged\n  second\\x1b[2J"
    assert str(LbtError(*str(error).splitlines())) == str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # from a loader process


def test_the_command_line_and_its_log_show_names_without_effect(tmp_path, capsys):
    name = "a\nb\x1b]0;x\x07\u202e\udcff.pt"
    assert main(["predict", str(tmp_path / name), "x.png"]) == 1
    assert r"a\nb\x1b]0;x\x07\u202e\udcff.pt: is missing" in capsys.readouterr().err


def calls_of_errors():
    """Each call that makes an `LbtError` or one of its subclasses: file, line and the texts in it."""
    names = {"LbtError"} | {kind.__name__ for kind in LbtError.__subclasses__()} | {Stopped.__name__}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                texts = [
                    inner.value for part in node.args for inner in ast.walk(part) if isinstance(inner, ast.Constant)
                ]
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", [text for text in texts if isinstance(text, str)]


def test_each_line_of_a_message_is_an_argument():
    """A line break inside an argument would be shown as `\\n`: write `LbtError(first, *others)`."""
    found = list(calls_of_errors())
    assert len(found) > 100
    assert [place for place, texts in found if any("\n" in text for text in texts)] == []
