"""The processes of a stage on several GPUs of one machine: they start, fail and stop together."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.multiprocessing.spawn import ProcessExitedException

from lbt.errors import SIGNAL, LbtError
from lbt.runtime.signals import STOP, handle_signals

TIMEOUT = timedelta(minutes=30)
"""Longest wait of a process for the others in one message. A process that fails ends the others at once."""
_LONGEST = 30_000  # characters of a report, which must fit into the buffer of a pipe
_PAUSE = 3.0
"""Seconds before an unexpected error is reported: the process may have failed only because it lost another one."""


def run_together(count: int, device: str, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(*arguments)` in `count` processes that form the group of `lbt.runtime.distributed`.

    All of them receive the signals of `lbt.runtime.signals` that this process receives.

    Args:
        count: number of processes; each has its own GPU, if `device` is `cuda`.
        device: `cuda` or `cpu`.
        work: a function of a module's top level.
        arguments: its arguments, which are pickled.

    Raises:
        LbtError: the error of the process that failed first, or how it was killed; the other processes are ended.
        RuntimeError: any other exception of the process that failed first, with its traceback.
    """
    # The server through which the processes find each other, on a free port.
    store = dist.TCPStore("127.0.0.1", 0, count, is_master=True, wait_for_workers=False)
    reports = multiprocessing.get_context("spawn").SimpleQueue()
    context = multiprocessing.start_processes(
        _work, (count, device, store.port, reports, work, arguments), nprocs=count, join=False
    )
    forwarded: set[signal.Signals] = set()

    def forward(number: signal.Signals) -> None:
        forwarded.add(number)
        for process in context.processes:
            if process.is_alive():
                os.kill(process.pid, number)

    try:
        with handle_signals(forward):
            # It ends the others if one failed. It has no limit, because a process works as long as its stage takes.
            while not context.join():
                pass
    except ProcessExitedException as ended:
        report = None if reports.empty() else reports.get()  # of the process that failed first
        if isinstance(report, LbtError):
            raise report from None
        for number in forwarded & STOP:
            signal.raise_signal(number)  # the processes did not handle it, so neither does this one
        if report is not None and ended.signal_name is None:
            raise report from None
        failure = LbtError(
            f"Process {ended.error_index} of {count} ended without a message "
            f"({ended.signal_name or f'exit code {ended.exit_code}'}). SIGKILL often means that the machine or the job "
            "ran out of memory: lower the batch_size of this stage, or ask for more memory, and rerun."
        )
        if ended.signal_name is not None:
            failure.exit_code = SIGNAL + signal.Signals[ended.signal_name]
        raise failure from None


def _work(
    rank: int, count: int, device: str, port: int, reports: SimpleQueue, work: Callable[..., None], arguments: tuple
) -> None:
    """Run one of the processes. If it fails, it reports why before the others fail too, and ends at once."""
    try:
        if device == "cuda":
            torch.cuda.set_device(rank)
        store = dist.TCPStore("127.0.0.1", port, count, is_master=False)
        backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"  # the architecture is on the host
        dist.init_process_group(backend, store=store, rank=rank, world_size=count, timeout=TIMEOUT)
        work(*arguments)
        dist.barrier()
        dist.destroy_process_group()
    except BaseException as error:
        try:
            with suppress(OSError):  # nobody reads it if the parent is gone
                reports.put(_report(error, f"process {rank} of {count}"))
        finally:  # also after a second Ctrl-C
            os._exit(1)  # exit handlers would wait for the other processes


def _report(error: BaseException, process: str) -> Exception:
    """The error as the parent raises it: a message for the user as it is, a defect as text with its traceback."""
    if isinstance(error, LbtError):
        message = LbtError(*str(error)[-_LONGEST:].splitlines())
        message.exit_code = error.exit_code
        return message
    if isinstance(error, Exception):
        time.sleep(_PAUSE)
    return RuntimeError(f"{process}:\n{''.join(traceback.format_exception(error))[-_LONGEST:]}")
