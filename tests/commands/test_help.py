"""The help of every command is complete: it says what the command reads, writes and returns."""

import argparse
import re
import tomllib
from pathlib import Path

import pytest

from lbt.__main__ import COMMANDS, INTERNAL, _parser, main
from lbt.commands.help_format import HelpFormatter
from lbt.stages.table import STAGES


def parser_of(command):
    (commands,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert commands.choices.keys() == COMMANDS.keys()
    return commands.choices[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_complete(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    parser = parser_of(command)
    assert [action.dest for action in parser._actions if not action.help] == []
    if command == "stage":  # only the workflow calls it
        assert all(name in text for name in STAGES)
    else:
        assert parser.description.startswith("Reads ") and "Writes" in parser.description + (parser.epilog or "")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("columns", [80, 100])
def test_help_fits_into_the_terminal(command, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > columns] == []


def test_a_list_in_the_help_keeps_its_columns():
    text = "One paragraph\nof two lines.\n  NAME.png  what an image of this name shows\n  no columns\n\nThe end."
    assert HelpFormatter("lbt")._fill_text(text, 30, "").splitlines() == [
        "One paragraph of two lines.",
        "  NAME.png  what an image of",
        "            this name shows",
        "  no columns",
        "",
        "The end.",
    ]


def test_the_help_of_all_lists_every_command_but_those_of_the_workflow(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert stopped.value.code == 0 and text.startswith("usage: lbt ")
    assert {name for name, module in COMMANDS.items() if module.HELP not in text} == INTERNAL == {"stage"}
    assert "stage" not in text


def test_the_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert stopped.value.code == 0 and capsys.readouterr().out == f"lbt {project['version']}\n"
    assert project["scripts"]["lbt"] == "lbt.__main__:main"


@pytest.mark.parametrize("command", ["init", "check", "shards", "predict", "export"])
def test_help_explains_the_exit_codes(command):
    assert re.search(r"Exit code 0 if .*; 1 if ", parser_of(command).epilog)
