"""Results computed ahead by threads: their order, how many wait, and where an error comes out."""

import random
import threading
import time
from contextlib import closing

import pytest

from lbt.pseudo_labels.compute_ahead import compute_ahead


@pytest.mark.parametrize("threads", [0, 1, 3, 50])
def test_results_come_in_the_order_of_the_items(threads):
    draw = random.Random(0)
    delays = [draw.random() / 100 for _ in range(20)]

    def work(index):
        time.sleep(delays[index])
        return index, threading.current_thread() is threading.main_thread()

    found = list(compute_ahead(work, range(20), threads))
    assert [index for index, _ in found] == list(range(20))
    assert {alone for _, alone in found} == {threads == 0}


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_only_so_many_results_wait(threads):
    """Each may be a large image."""
    started, most = [], 0
    with closing(compute_ahead(started.append, range(30), threads)) as results:
        for taken, _ in enumerate(results, 1):
            time.sleep(0.002)
            most = max(most, len(started) - taken)
    assert most == threads and len(started) == 30


@pytest.mark.parametrize("threads", [0, 1, 4])
def test_an_error_comes_in_the_place_of_its_result(threads):
    def work(index):
        if index in (3, 4):
            raise ValueError(f"item {index}")
        return index

    found = []
    with pytest.raises(ValueError, match="item 3"):
        found.extend(compute_ahead(work, range(30), threads))
    results, taken = compute_ahead(work, range(30), threads), []
    with pytest.raises(ValueError, match="item 3"):
        for result in results:
            taken.append(result)
    assert taken == [0, 1, 2]


def test_a_caller_that_stops_leaves_no_thread_and_no_further_work():
    started, before = [], threading.active_count()
    with closing(compute_ahead(started.append, range(1000), 2)) as results:
        next(results)
    assert threading.active_count() == before and len(started) <= 4
