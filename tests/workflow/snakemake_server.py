"""Runs Snakemake in forks of one process, which has imported it once: a dry-run takes a third of the time.

Reads a line per run, the arguments as JSON, and answers with a line, exit code and output as JSON.
"""

import json
import os
import sys
import tempfile

import pydantic  # noqa: F401  the workflow's own imports, but for what a test edits
import snakemake.api
import snakemake.workflow  # noqa: F401
from snakemake.cli import main


def answer(arguments: list[str]) -> tuple[int, str]:
    """Exit code and output of one run."""
    with tempfile.TemporaryFile("w+") as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            code = 1
            try:
                main(arguments)
                code = 0
            except SystemExit as stopped:
                code = stopped.code or 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return code, output.read()


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
