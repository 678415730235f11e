"""Results that threads make ahead."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from trainers.data.ahead import SPARE, ahead


@pytest.mark.parametrize("num_threads", [1, 2, 8])
def test_results_come_in_the_order_of_their_items(num_threads: int) -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number * 2

    found = list(ahead(slow_first, range(20), num_threads=num_threads))
    assert found == list(range(0, 40, 2))


def test_no_more_is_made_than_is_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    made = ahead(lambda number: number, items(), num_threads=2)
    next(made)
    assert len(taken) == 2 + SPARE + 1
    made.close()


def test_an_error_comes_in_its_place_and_ends_the_threads() -> None:
    def fails_at_two(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    made = ahead(fails_at_two, range(10), num_threads=3)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(made)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_threads_of_torch_are_left_to_the_caller() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert set(ahead(lambda _: torch.get_num_threads(), range(4))) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
