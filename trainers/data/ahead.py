"""Results that threads make ahead of the one who takes them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")
SPARE = 1
"""Results that wait finished while every thread makes another one."""


def most_at_once() -> int:
    """How many results `ahead` holds at most: those that are made or wait, and the one in use."""
    return torch.get_num_threads() + SPARE + 1


def ahead(
    make: Callable[[Item], Made], items: Iterable[Item], *, num_threads: int | None = None
) -> Iterator[Made]:
    """Yields `make` of each item, in their order, from threads that work ahead.

    The threads end when the iterator is closed, at the latest when it is collected.

    Args:
        make: Called in a thread, on which torch's operations use no further ones.
        items: Taken one after the other, as far as results are ahead.
        num_threads: Threads; None: as many as torch's operations may use in this thread.
    """
    num = num_threads or torch.get_num_threads()
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(num, "ahead", initializer=torch.set_num_threads, initargs=(1,))
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) > num + SPARE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
