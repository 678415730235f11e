"""How long tasks take on slots."""

import random

import pytest

from orchestrator.planning.schedule import Task, finish_s


def _alone(*seconds: float) -> list[Task]:
    return [Task(key=str(number), seconds=each) for number, each in enumerate(seconds)]


@pytest.mark.parametrize(
    ("seconds", "slots", "end"),
    [((), 2, 0), ((3,), 2, 3), ((3, 3, 3), 2, 6), ((1, 1, 1, 9), 2, 10), ((9, 1, 1, 1), 2, 9)],
)
def test_a_free_slot_takes_the_next_task(
    seconds: tuple[float, ...], slots: int, end: float
) -> None:
    assert finish_s(_alone(*seconds), slots) == end


def test_what_runs_holds_its_slot() -> None:
    assert finish_s(_alone(2), 2, running=[5, 1]) == 5
    assert finish_s(_alone(2), 2, running=[5, 4]) == 6
    assert finish_s([], 1, running=[3]) == 3
    assert finish_s(_alone(2), 1, running=[0, 5]) == 7


def test_a_task_waits_for_the_one_that_trains_its_beginning() -> None:
    tasks = [Task(key="a", seconds=10), Task(key="b", seconds=4, after="a")]
    assert finish_s(tasks, 2) == 14
    assert finish_s(tasks, 2, passes={("a", "b"): 3}) == 10
    assert finish_s(tasks, 1, passes={("a", "b"): 3}) == 14
    # The slot takes what is ready meanwhile, also from further behind.
    more = [*tasks, Task(key="c", seconds=5)]
    assert finish_s(more, 2, passes={("a", "b"): 3}) == 10


def test_a_beginning_that_a_running_task_trains_is_waited_for() -> None:
    task = Task(key="b", seconds=4, after="a")
    assert finish_s([task], 2, running=[10], ready={"b": 7}) == 11
    assert finish_s([task], 2, running=[10]) == 10
    assert finish_s([task], 2) == 4


def test_tasks_that_wait_for_each_other_are_not_waited_for() -> None:
    tasks = [Task(key="a", seconds=2, after="b"), Task(key="b", seconds=3, after="a")]
    assert finish_s(tasks, 1) == 5
    assert finish_s([Task(key="a", seconds=2, after="a")], 1) == 2


def test_chance_schedules_lie_between_the_bounds_of_list_scheduling() -> None:
    draw = random.Random(3)
    for _ in range(200):
        slots = draw.randint(1, 5)
        tasks = _alone(*(draw.uniform(0, 9) for _ in range(draw.randint(1, 30))))
        total, most = sum(task.seconds for task in tasks), max(task.seconds for task in tasks)
        end = finish_s(tasks, slots)
        assert max(most, total / slots) - 1e-9 <= end
        # Graham 1969.
        assert end <= total / slots + (1 - 1 / slots) * most + 1e-9
