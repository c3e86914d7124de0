"""Runs Python programs in forks of one process that has imported the slow libraries, such as PyTorch and Snakemake.

A program starts in a fraction of a second instead of several seconds. `forked_python()` is the path of a command that
takes `-m MODULE ARGUMENTS` as `python` does: the fork has its folder, environment, standard streams and exit code. A
command `lbt` lies beside it.
The project's own modules are imported in each fork, because tests edit them.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path

PRELOADED = (
    "h5py",
    "matplotlib.figure",
    "pandas",
    "PIL.Image",
    "pydantic",
    "snakemake.api",
    "snakemake.cli",
    "snakemake.workflow",
    "torch._decomp.decompositions_for_jvp",
    "torchvision.models.segmentation",
    "tqdm",
    "yaml",
)
CLIENT = """#!{python} -IS
import json, os, socket, sys
if sys.argv[1] != "-m":
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"x"], [0, 1, 2])
    program = {{"words": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    server.sendall(json.dumps(program).encode() + b"\\n")
    code = int(server.makefile().readline() or 1)
sys.exit(code if code >= 0 else 128 - code)
"""


@cache
def forked_python() -> Path:
    """A command `python`, which the server answers until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="lbt-forks-"))
    address, client = folder / "socket", folder / "python"
    client.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    short = folder / "lbt"  # of the package in the folder where it is called, not of the installed one
    short.write_text(f'#!/bin/sh\nexec {client} -m lbt "$@"\n')
    for program in (client, short):
        program.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command, pipe = [sys.executable, __file__, address], subprocess.PIPE
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdin=pipe, stdout=pipe, stderr=log)
    assert server.stdout.readline() == b"ready\n", (folder / "log").read_text()

    def end() -> None:
        server.stdin.close()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return client


def next_program(listener: socket.socket) -> dict:
    """Wait for programs and fork for each; returns only in the forks, in which the program is to run."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    while True:
        ready = [key.fileobj for key, _ in selector.select()]
        if sys.stdin in ready:  # closed: the tests are over
            sys.exit()
        connection, _ = listener.accept()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # those that have ended
                pass
        if os.fork() == 0:
            return supervised_program(connection)
        connection.close()


def supervised_program(connection: socket.socket) -> dict:
    """Fork once more: this process reports the exit code, and ends the program if nobody waits for it any more."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    program = json.loads(connection.makefile().readline())
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return program
    for stream in streams:
        os.close(stream)
    watch = selectors.DefaultSelector()
    watch.register(connection, selectors.EVENT_READ)
    watch.register(os.pidfd_open(child), selectors.EVENT_READ)
    if any(key.fileobj is connection for key, _ in watch.select()):
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        connection.sendall(f"{code}\n".encode())
    finally:
        os._exit(0)


def run_program(words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Run a module as `python -m` does, and end without the cleaning of all that was imported, which takes seconds."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:1] = [folder, *paths]
    sys.argv, code = words, 1
    try:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen()
        print("ready", flush=True)
        chosen = next_program(listening)
    run_program(**chosen)
