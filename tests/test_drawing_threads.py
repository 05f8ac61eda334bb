from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial

import pytest

from auditor.drawing_threads import _WAITING, DrawingThreads, drawn


def test_drawn_rows_keep_their_order_although_threads_finish_in_another() -> None:
    threads, second_is_drawn = DrawingThreads(), threading.Event()

    def first() -> bytes:
        second_is_drawn.wait()
        return b"first"

    def second() -> bytes:
        second_is_drawn.set()
        return b"second"

    rows = [{"image": threads.submit(first), "k": 0}, {"image": threads.submit(second), "k": 1}]
    assert drawn(rows) == [{"image": b"first", "k": 0}, {"image": b"second", "k": 1}]


def test_submit_with_many_images_waiting_draws_the_oldest_first() -> None:
    threads = DrawingThreads()
    futures: list[Future[bytes]] = []
    for k in range(3 * _WAITING):
        futures.append(threads.submit(partial(bytes, k)))
        assert sum(not one.done() for one in futures) <= _WAITING
    assert [len(one.result()) for one in futures] == list(range(3 * _WAITING))


def test_an_error_while_drawing_is_raised_where_the_rows_are_needed() -> None:
    def broken() -> bytes:
        raise ValueError("expected a map of finite values")

    rows = [{"image": DrawingThreads().submit(broken)}]
    with pytest.raises(ValueError, match="finite"):
        drawn(rows)
