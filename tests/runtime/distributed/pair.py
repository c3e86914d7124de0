"""Two processes that run the same function on their own rows of a batch, connected by gloo."""

import multiprocessing
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

SIZE = 2
PATIENCE = 600
"""Seconds to wait for a result: a pair that sends messages in different orders would wait forever."""


class Pair:
    """`pair.run(function, *arguments)` returns what both processes return, in the order of their ranks.

    Functions are those of a module's top level.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.store = dist.TCPStore("127.0.0.1", 0, SIZE, is_master=True, wait_for_workers=False)
        self.pipes, self.processes = [], []
        for rank in range(SIZE):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(rank, self.store.port, there), daemon=True)
            process.start()
            there.close()
            self.pipes.append(here)
            self.processes.append(process)

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        for pipe in self.pipes:
            pipe.send((function, arguments))
        found = []
        for pipe in self.pipes:
            assert pipe.poll(PATIENCE), f"{function.__name__}: no result in {PATIENCE} s"
            good, result = pipe.recv()
            if not good:
                raise result
            found.append(result)
        return found

    def close(self) -> None:
        for process in self.processes:
            process.kill()


def _serve(rank: int, port: int, tasks: Connection) -> None:
    torch.set_num_threads(1)
    store = dist.TCPStore("127.0.0.1", port, SIZE, is_master=False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=SIZE, timeout=timedelta(seconds=PATIENCE))
    while True:
        function, arguments = tasks.recv()
        try:
            tasks.send((True, function(*arguments)))
        except BaseException as error:
            error.add_note(f"in the process of rank {rank}:\n{traceback.format_exc()}")
            tasks.send((False, error))
