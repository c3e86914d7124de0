"""The processes of a stage that runs on several GPUs of one machine: how they start, fail and stop together."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.multiprocessing.spawn import ProcessContext, ProcessExitedException

from lbt.errors import LbtError
from lbt.runtime.signals import STOP, handled_signals

TIMEOUT = timedelta(minutes=30)
"""Longest wait of a process for the others in one message. A process that fails ends the others at once."""
_LONGEST = 30_000  # characters of a report, which must fit into a pipe that nobody reads yet
_PAUSE = 3.0
"""Seconds before an unexpected error counts: it may be that of a process that lost another, which is then the cause."""


def check_gpus(key: str, count: int, device: str) -> str:
    """The kind of device, `cuda` or `cpu`, on which `count` processes run.

    Args:
        key: the setting that asks for them.
        count: how many.
        device: `compute.device`; with `cpu` any number of processes shares the CPU.

    Raises:
        LbtError: this machine has fewer GPUs.
    """
    if device == "cpu":
        return "cpu"
    present = torch.cuda.device_count()
    if present < count:
        raise LbtError(
            f"{key}: {count} GPUs are wanted, this machine (or the part of it that the job may use) has {present}. "
            "Lower it, ask the cluster for more, or write `compute.device: cpu`, with which the processes share the "
            "CPU."
        )
    return "cuda"


def run_together(count: int, device: str, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(*arguments)` in `count` processes that find each other as `lbt.runtime.distributed.group()`.

    The signals of `lbt.runtime.signals` are passed on to all of them.

    Args:
        count: number of processes; on GPUs each has one of its own.
        device: `cuda` or `cpu`.
        work: a function of a module's top level.
        arguments: its arguments; they travel by pickle.

    Raises:
        LbtError: what the process that failed first raised, or how it ended; the others are ended then.
        RuntimeError: another exception of the process that failed first, with its traceback.
    """
    # The server of the addresses by which the processes find each other; it takes a free port.
    store = dist.TCPStore("127.0.0.1", 0, count, is_master=True, wait_for_workers=False)
    reports = multiprocessing.get_context("spawn").SimpleQueue()
    context = multiprocessing.start_processes(
        _work, (count, device, store.port, reports, work, arguments), nprocs=count, join=False
    )
    ended: dict[int, int] = {}
    try:
        with _passing_on(context) as passed:
            while True:
                ready = wait(context.sentinels)
                for rank, process in enumerate(context.processes):
                    if process.sentinel in ready:
                        process.join()
                        ended[rank] = process.exitcode
                if context.join():  # which ends the others if one failed
                    return
    except ProcessExitedException:
        _raise_failure(reports, ended, count, passed)


def _raise_failure(reports: SimpleQueue, ended: Mapping[int, int], count: int, passed: Sequence[int]) -> None:
    """Raise what went wrong first: a process that is cut off makes others fail that waited for it.

    Args:
        reports: of the processes, in the order in which they failed.
        ended: exit codes of the processes that had ended when the first failure was seen.
        count: number of processes.
        passed: signals that were passed on.
    """
    expected, exit_code, text = (False, 1, "") if reports.empty() else reports.get()
    if expected:
        failure = LbtError(text)
        failure.exit_code = exit_code
        raise failure from None
    for number in passed:
        if number in STOP:
            signal.raise_signal(number)  # end as a process does that does not handle the signal
    killed = [(rank, signal.Signals(-code).name) for rank, code in ended.items() if code < 0]
    if text and not killed:
        raise RuntimeError(text) from None
    rank, how = killed[0] if killed else next((rank, f"exit code {code}") for rank, code in ended.items() if code)
    raise LbtError(
        f"Process {rank} of {count} ended without a message ({how}). SIGKILL often means that the machine or the job "
        "ran out of memory: lower the batch_size of this stage, or ask for more memory, and rerun."
    ) from None


def _work(
    rank: int, count: int, device: str, port: int, reports: SimpleQueue, work: Callable[..., None], arguments: tuple
) -> None:
    """What a process does. One that fails reports why, before the others fail for want of it, and ends at once."""
    try:
        if device == "cuda":
            torch.cuda.set_device(rank)
        store = dist.TCPStore("127.0.0.1", port, count, is_master=False)
        backend = "nccl" if device == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        work(*arguments)
        dist.barrier()
        dist.destroy_process_group()
    except BaseException as error:
        try:
            _report(error, rank, count, reports)
        finally:  # also after a second Ctrl-C
            os._exit(1)  # a process that waits for others in its exit handlers would keep them all


def _report(error: BaseException, rank: int, count: int, reports: SimpleQueue) -> None:
    expected = isinstance(error, LbtError)
    text = str(error) if expected else f"process {rank} of {count}:\n{''.join(traceback.format_exception(error))}"
    if isinstance(error, Exception) and not expected:
        time.sleep(_PAUSE)
    with suppress(OSError):  # nobody reads it if the parent is gone
        reports.put((expected, getattr(error, "exit_code", 1), text[-_LONGEST:]))
    sys.stderr.flush()


@contextmanager
def _passing_on(context: ProcessContext) -> Iterator[list[int]]:
    """Pass signals on to the processes; yields those that came."""
    passed: list[int] = []

    def pass_on(number: int, _: object) -> None:
        passed.append(number)
        for process in context.processes:
            if process.is_alive():
                os.kill(process.pid, number)

    before = {number: signal.signal(number, pass_on) for number in handled_signals()}
    try:
        yield passed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
