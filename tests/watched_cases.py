"""Watches what a program does with a spoiled file, which `mutations` makes.

A test of a kind of file has a generator `case(folder, draw)`: it writes a spoiled file below `folder`, yields what was
spoiled, uses the file, and yields the outcome in a word or two, such as `refused`. `run_cases` runs it many times, each
time in a fork of a process that has imported the slow libraries, with limits on time, memory and files.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SECONDS, MEGABYTES = 5.0, 500.0
"""Limits of one use of a file: seconds of the processor, and memory beyond what the process had before."""
HANG = 60.0
"""Seconds after which a use that waits, and does not compute, has failed."""
Case = Callable[[Path, random.Random], Iterator[str]]


def call(*arguments: Any) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command of `lbt` in this process."""
    from lbt.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ended:  # of argparse
            code = ended.code if isinstance(ended.code, int) else 1
    return code, out.getvalue(), err.getvalue()


def require_plain(text: str) -> None:
    """Fail unless a text may go to a terminal: no traceback and no character that controls it."""
    assert "Traceback" not in text, text[-2000:]
    hidden = sorted(
        {c for c in text if (not c.isprintable() and c not in "\n\r\x1b" and ord(c) < 0x3000) or c in "\u202e\ud800"}
    )
    assert not hidden, f"control characters {hidden} in {text[-500:]!r}"
    assert "\x1b]" not in text and "\x1b[2J" not in text, repr(text[-500:])


def require_refusal(code: int, err: str, longest: int = 8000) -> str:
    """Fail unless a command ended in one message; returns `refused`."""
    require_plain(err)
    assert code == 1, f"exit code {code}: {err[-2000:]}"
    said = [line for line in err.splitlines() if line.startswith("lbt ")]
    assert len(said) == 1, f"not one message: {err[-2000:]!r}"
    assert len(err) <= longest, f"a message of {len(err)} characters"
    return "refused"


def run_cases(
    case: str, count: int, folder: Path, *, first: int = 0, modules: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """Run a generator `case` with seeds `first` to `first + count - 1`.

    Args:
        case: `module:function`; the module must be found from the folder of a test that the caller names in `folder`.
        count: number of runs.
        folder: what each run may write below; it is empty but for what the caller put there.
        first: the first seed.
        modules: folders from which modules are imported, besides `tests`.

    Returns:
        Of each run: `damage`, `outcome`, `problem` (None, or what went wrong), `seconds` and `megabytes`.
    """
    paths = os.pathsep.join([*modules, str(HERE), str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    command = [sys.executable, str(HERE / "watched_cases.py"), case, str(count), str(folder), str(first)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def check_cases(found: list[dict[str, Any]], count: int, outcomes: set[str]) -> None:
    """Fail if a run went wrong, if the runs are not `count`, or if an outcome never came or is not one of these."""
    wrong = [f"{run['damage'][:300]}: {run['problem']}" for run in found if run["problem"] is not None]
    assert not wrong, f"{len(wrong)} of {len(found)}:\n" + "\n".join(wrong)
    assert len(found) == count
    assert {run["outcome"] for run in found} == outcomes


def _serve(name: str, count: int, folder: Path, first: int) -> list[dict[str, Any]]:
    module, function = name.split(":")
    case: Case = getattr(importlib.import_module(module), function)
    return [_fork(case, f"{name} {seed}", folder) for seed in range(first, first + count)]


def _fork(case: Case, seed: str, folder: Path) -> dict[str, Any]:
    """One run in a child, which this process ends if it hangs."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="case-") as place:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _run(case, random.Random(seed), Path(place), writing)
        os.close(writing)
        report, end, text = (
            {"damage": seed, "outcome": None, "problem": None, "seconds": 0.0, "megabytes": 0.0},
            time.monotonic() + HANG,
            b"",
        )
        while True:
            ready, _, _ = select.select([reading], [], [], max(0.0, end - time.monotonic()))
            part = os.read(reading, 1 << 16) if ready else b""
            text += part
            if not ready:
                os.kill(child, signal.SIGKILL)
                report["problem"] = f"did not end within {HANG:g} s"
            if not part:
                break
        os.close(reading)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for line in text.decode().splitlines():
            report |= json.loads(line)
        if report["problem"] is None and code != 0:
            named = signal.Signals(-code).name if code < 0 else code
            report["problem"] = f"the process ended with {named}" + (
                f", more than {SECONDS:g} s" if -code == signal.SIGXCPU else ""
            )
        return report


def _run(case: Case, draw: random.Random, place: Path, pipe: int) -> None:
    def tell(**facts: Any) -> None:
        os.write(pipe, json.dumps(facts).encode() + b"\n")

    code = 0
    try:
        os.chdir(place)
        os.environ |= {"HOME": str(place), "TMPDIR": str(place), "XDG_CACHE_HOME": str(place)}
        tempfile.tempdir = str(place)
        steps = case(place, draw)
        tell(damage=ascii(next(steps)))
        touched: list[str] = []
        _watch(place, touched)
        before, used = _limit(), time.process_time()
        outcome = next(steps)
        tell(outcome=outcome, seconds=time.process_time() - used, megabytes=_peak() - before)
        if time.process_time() - used > SECONDS:
            tell(problem=f"took {time.process_time() - used:.1f} s")
        if _peak() - before > MEGABYTES:
            tell(problem=f"took {_peak() - before:.0f} MB")
        if touched:
            tell(problem=f"touched {touched}")
    except BaseException:
        code = 1
        tell(problem=ascii(traceback.format_exc()[-3000:]).replace("\\n", "\n"))
    finally:
        os._exit(code)


def _limit() -> float:
    """Limit what follows in this process; returns the megabytes that it has now."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts at the present size
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    seconds = int(time.process_time() + SECONDS) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 2))
    resource.setrlimit(resource.RLIMIT_AS, (size + 4 * int(MEGABYTES * 1e6),) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**30, 2**30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return _peak()


def _peak() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


_CHANGES = {
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.remove": 1,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.truncate": 1,
    "os.chmod": 1,
}
"""Events of Python that change files, and how many of their arguments are paths."""
_PROGRAMS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "socket.connect")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def _watch(place: Path, touched: list[str]) -> None:
    """From now on, note every program that starts and every change of a file outside of a folder."""

    def outside(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike) or not os.fsdecode(path):
            return False
        folder, name = os.path.split(os.path.join(place, os.fsdecode(path)))
        whole = os.path.join(os.path.realpath(folder), name)
        return not whole.startswith((f"{os.path.realpath(place)}/", "/dev/", "/proc/"))

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING:
            paths = arguments[:1]
        elif event in _CHANGES:
            paths = arguments[: _CHANGES[event]]
        elif event in _PROGRAMS:
            touched.append(f"{event} {arguments!r}"[:200])
            return
        else:
            return
        touched.extend(f"{event} {path!r}" for path in paths if outside(path))

    sys.addaudithook(note)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.modules["watched_cases"] = sys.modules["__main__"]
    print(json.dumps(_serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))))
