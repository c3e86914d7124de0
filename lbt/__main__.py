"""The command line, `lbt COMMAND`: one module of `lbt.commands` per command."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

from lbt import __version__
from lbt.commands import bench, check, compare, crate, export, init, predict, shards, show, stage, status
from lbt.commands.extras import explain_missing
from lbt.commands.help_format import HelpFormatter
from lbt.errors import LbtError, explain_machine, visible
from lbt.files import open_own

COMMANDS = {
    "init": init,
    "check": check,
    "status": status,
    "show": show,
    "compare": compare,
    "shards": shards,
    "predict": predict,
    "export": export,
    "crate": crate,
    "bench": bench,
    "stage": stage,
}
INTERNAL = frozenset({"stage"})
"""Commands that only the workflow calls; the list of commands leaves them out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code; every code but 0 comes with a message on standard error."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name may hold what the terminal's encoding lacks
        with suppress(OSError):  # of a stream that was redirected after it was opened
            sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        _require_folder()
        _run(options)
    except LbtError as error:
        print(f"lbt {options.command}: {error}", file=sys.stderr)
        _log(options, f"error: {error}\n")
        return error.exit_code
    except BrokenPipeError:  # such as `lbt show RUN | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # otherwise Python complains when it flushes
        return 0
    except KeyboardInterrupt:
        print(f"lbt {options.command}: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        name = type(error).__name__
        logged, message = _log(options, f"{traceback.format_exc()}error: {name}: {error}\n"), explain_machine(error)
        if message:
            print(f"lbt {options.command}: {visible(message)}", file=sys.stderr)
            return 1
        if not logged:
            raise
        print(f"lbt {options.command}: {name}: {error}. The traceback is in {options.log}.", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    try:
        options.action(options)
    except ModuleNotFoundError as error:
        explained = explain_missing(error)
        if explained is None:
            raise
        raise explained from error


def _require_folder() -> None:
    """Relative paths need a working directory."""
    try:
        os.getcwd()
    except OSError as error:
        raise LbtError(
            "The working directory was removed. Change to a folder that exists, such as with `cd`."
        ) from error


def _log(options: argparse.Namespace, text: str) -> bool:
    """Append to the stage's log, if there is one; whether it could be written."""
    if getattr(options, "log", None) is not None:
        with (
            suppress(OSError),
            open(options.log, "a", encoding="utf-8", errors="backslashreplace", opener=open_own) as log,
        ):
            log.write(text)
            return True
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lbt", description="Learning by Teaching: architecture search.")
    parser.add_argument("--version", action="version", version=f"lbt {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        listed = {} if name in INTERNAL else {"help": module.HELP}
        description = f"{module.HELP[:1].upper()}{module.HELP[1:]}."
        command = commands.add_parser(name, description=description, formatter_class=HelpFormatter, **listed)
        module.add_arguments(command)
        command.set_defaults(action=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
