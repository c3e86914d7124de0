"""YAML as written: what it reads otherwise, what is given twice, and texts that would take for ever."""

import json
import time
from itertools import pairwise

import pytest

from lbt.config.read import read_settings
from lbt.config.yaml_file import LARGEST, number_in, read_yaml
from lbt.errors import LbtError

MISREAD = [
    ("010", 'YAML reads 010 as 8; write 8 or 10 for the number, or "010" for the text'),
    ("0x1F", "YAML reads 0x1F as 31"),
    ("0b11", "YAML reads 0b11 as 3"),
    ("1_000", "YAML reads 1_000 as 1000"),
    ("12:30", "YAML reads 12:30 as 750"),
    ("1_0.5", "YAML reads 1_0.5 as 10.5"),
    ("2020-01-01", "YAML reads 2020-01-01 as a date"),
    ("2020-01-01 10:00:00", "as a date"),
    ("9" * 30, "has too many digits"),
    ("9" * 5000, "has too many digits"),
    ("0x_", "0x_ is not a number"),
    ("", "has no value"),
    ("!!bool maybe", "has the tag tag:yaml.org,2002:bool"),
    ("!!null x", "has the tag tag:yaml.org,2002:null"),
    ("!!float x", "x is not a number"),
    ("!!binary aGk=", "has the tag tag:yaml.org,2002:binary"),
    ("!!python/object/apply:os.system [x]", "has the tag"),
    ("!!set {x: 1}", "has the tag"),
    ('"a\\nb"', "holds a character that cannot be shown"),
    ('"\\e[31m"', "holds a character that cannot be shown"),
]


@pytest.mark.parametrize(("text", "message"), MISREAD, ids=[text[:20] for text, _ in MISREAD])
def test_what_yaml_reads_otherwise_is_a_problem_with_its_line(text, message):
    (keys, place, what), *more = read_yaml(f"a: 1\nb:\n  - {text}\n", "my.yaml").problems
    assert keys == ("b", 0) and place.line == 3 and message in what and not more


def test_plain_values_are_read_as_written():
    document = read_yaml("a: [1, -2, +3, 0, .5, 1., 1.5e-3, true, no, null, x, '3', 08, 1e-3, =, <<]", "my.yaml")
    assert document.content["a"][:10] == [1, -2, 3, 0, 0.5, 1.0, 0.0015, True, False, None]
    assert document.content["a"][10:] == ["x", "3", "08", "1e-3", "=", "<<"]
    assert not document.problems
    assert document.places["a", 8].written == "no" and document.places["a", 11].quoted


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 1e-3), ("5E4", 5e4), ("1.e+2", 100.0), (".5e1", 5.0), ("08", None), ("1e", None), ("e3", None)],
)
def test_the_numbers_that_yaml_takes_for_text(text, number):
    assert number_in(text) == number


def test_a_key_given_twice_is_a_problem_at_any_depth():
    text = "a: 1\nb:\n  - {c: 1, d: 2}\n  - {c: 1,\n     c: 2}\na: 3\n"
    problems = {keys: (place.line, what) for keys, place, what in read_yaml(text, "my.yaml").problems}
    assert problems == {
        ("b", 1, "c"): (5, "is given twice, first in line 4; keep one of them"),
        ("a",): (6, "is given twice, first in line 1; keep one of them"),
    }


def test_anchors_and_merges_work():
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 5, c: 6}\nz:\n  <<: [*x, *y]\n  a: 3\nw: *x\n"
    document = read_yaml(text, "my.yaml")
    assert document.content["z"] == {"a": 3, "b": 2, "c": 6} and document.content["w"] == {"a": 1, "b": 2}
    assert not document.problems
    assert document.places["z", "b"].line == 1 and document.places["z", "a"].line == 5


def test_a_chain_of_merges_works():
    text = "x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y, c: 3}\n"
    assert read_yaml(text, "my.yaml").content["z"] == {"a": 1, "b": 2, "c": 3}


BOMB = "a: &a [" + "x, " * 9 + "x]\n" + "".join(f"{b}: &{b} [{f'*{a}, ' * 9}*{a}]\n" for a, b in pairwise("abcdefg"))
MERGE_BOMB = "a: &a {x: 1}\n" + "".join(f"{b}: &{b} {{<<: [{f'*{a}, ' * 9}*{a}]}}\n" for a, b in pairwise("abcdefghi"))
REFUSED = {
    "aliases": (BOMB, "more than 20000 values"),
    "merges": (MERGE_BOMB, "more than 20000 values"),
    "recursion": ("a: &a [*a]\n", "contains itself"),
    "recursive merge": ("a: &a {<<: *a}\n", "needs another section"),
    "deep": ("a: " + "[" * 3000 + "]" * 3000, "levels deep"),
    "deep without an end": ("[" * 100_000, "levels deep"),
    "deep sections": ("".join(" " * n + "a:\n" for n in range(300)), "levels deep"),
    "large": ("# " + "x" * LARGEST, "characters; a file of settings has at most"),
    "many": ("a: [" + "1," * 30_000 + "]", "more than 20000 values"),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2: a second document"),
    "tab": ("a:\n\tb: 1\n", "line 2: is not YAML: found character that cannot start any token; indent with blanks"),
    "open": ("a: [", "is not YAML"),
    "nul": ("a: \0", "is not YAML"),
    "list": ("[1]", "holds a list"),
    "word": ("x", "holds a single value"),
    "empty": ("# nothing\n", "holds nothing"),
    "key": ("? [a]\n: 1\n", "cannot be a key"),
    "surrogate": ('run: "\\ud800"', "is not YAML"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_no_file_takes_long_or_ends_in_a_traceback(name, tmp_path):
    text, message = REFUSED[name]
    path = tmp_path / "my.yaml"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(LbtError) as error:
        read_settings(path)
    assert time.process_time() - start < 2
    assert message in str(error.value) and str(path) in str(error.value) and len(str(error.value)) < 1000


@pytest.mark.parametrize(
    "content", [b"run: a\r\nseeds: [1]\r\n", b"\xef\xbb\xbfrun: a\nseeds: [1]\n"], ids=["crlf", "bom"]
)
def test_line_ends_and_byte_order_mark_of_windows(content, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    assert read_settings(path).run == "a" and read_settings(path).seeds == (1,)


@pytest.mark.parametrize(("encoding", "byte"), [("latin-1", "df"), ("utf-16", "ff")])
def test_another_encoding_is_named_with_the_line(encoding, byte, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_bytes("a: 1\nrun: straße".encode(encoding))
    with pytest.raises(LbtError, match=rf"line \d: is not UTF-8 text \(byte 0x{byte}\)"):
        read_settings(path)


def test_json_may_be_indented_with_tabs():
    content = {"run": "a", "search": {"teacher": {"lr": 1e-05}}}
    assert read_yaml(json.dumps(content, indent="\t"), "my.json").content["run"] == "a"
