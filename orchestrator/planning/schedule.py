"""How long work takes on several slots at a time: it is handed out as a sweep does; pure."""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """The training of a cell, or what is left of it.

    Args:
        key: The cell's key.
        seconds: How long it occupies a slot.
        after: Key of the cell that trains its beginning; None: it may start at once.
    """

    key: str
    seconds: float
    after: str | None = None


def finish_s(
    waiting: Sequence[Task],
    slots: int,
    *,
    running: Iterable[float] = (),
    passes: Mapping[tuple[str, str], float] | None = None,
    ready: Mapping[str, float] | None = None,
) -> float:
    """Seconds until the last task has ended.

    A slot that is free takes the first task that is ready, in the given order. One that starts
    from the beginning of another is ready as soon as that one has passed this point.

    Args:
        waiting: The tasks that wait, in the order in which they are handed out.
        slots: Tasks at a time; 1 or more.
        running: Seconds that are left of each task that runs now.
        passes: For a waiting task and one that starts from its beginning: seconds from the start
            of the first until that point. Default: to the end of the first.
        ready: For a waiting task that starts from the beginning of a running one: seconds from
            now until it may start. Of those not named, whose other task is not waiting either: 0.
    """
    passes, ready = passes or {}, ready or {}
    # One that has just ended may still be among them.
    free = heapq.nlargest(slots, running)
    free += [0.0] * (slots - len(free))
    heapq.heapify(free)
    behind, now, later = _sorted(waiting, ready)
    end = max(free)
    for _ in range(len(waiting)):
        at = heapq.heappop(free)
        if not now and later:
            # The slot waits.
            at = max(at, later[0][0])
        if not now and not later:
            # Nobody trains their beginnings: they train all of it.
            now = [number for numbers in behind.values() for number in numbers]
            behind = {}
            heapq.heapify(now)
        while later and later[0][0] <= at:
            heapq.heappush(now, heapq.heappop(later)[1])
        task = waiting[heapq.heappop(now)]
        heapq.heappush(free, at + task.seconds)
        end = max(end, at + task.seconds)
        for number in behind.pop(task.key, ()):
            wait = passes.get((task.key, waiting[number].key), task.seconds)
            heapq.heappush(later, (at + wait, number))
    return end


def _sorted(
    waiting: Sequence[Task], ready: Mapping[str, float]
) -> tuple[dict[str, list[int]], list[int], list[tuple[float, int]]]:
    """Places of tasks: by the waiting task that they are behind; ready now; ready later, when."""
    keys = {task.key for task in waiting}
    behind: dict[str, list[int]] = {}
    now: list[int] = []
    later: list[tuple[float, int]] = []
    for number, task in enumerate(waiting):
        if task.after in keys and task.after != task.key:
            assert task.after is not None
            behind.setdefault(task.after, []).append(number)
        elif (wait := ready.get(task.key, 0.0)) > 0:
            later.append((wait, number))
        else:
            now.append(number)
    heapq.heapify(later)
    return behind, now, later
