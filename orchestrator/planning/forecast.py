"""How long a sweep still takes, from the epochs that it has measured; pure.

What is left of each running cell and all of each waiting one is handed out to the slots as the
sweep will do it. So the last cells, which leave slots empty, long cells behind short ones, and
cells that wait for the beginning that another one trains are all counted as what they are.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from orchestrator.planning.paces import Guess, Paces, seconds_of
from orchestrator.planning.schedule import Task, finish_s
from orchestrator.planning.workload import Kind, Work, kind_at, part

RENEWED_S = 1.0
"""Least seconds between two computations; in between, the time that passes is taken off."""
NUM_RECENT, MOST_RECENT, RECENT_S = 40, 4000, 60.0
"""The epochs of the last seconds, at least and at most so many, say how fast the machine is now:
it starts slowly, and others use it too, by turns."""
LONGEST_CHANGE_S = 1.0
"""From the end of a cell to the next start in its slot; a longer one waited for a beginning."""
USUAL_CHANGE_S = 0.1
"""Of a cell, beside its epochs, until some were measured."""
LEAST_SHARE = 50
"""Between two computations at least so many times the time that one takes passes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Todo:
    """A cell to train.

    Args:
        work: All of its epochs, with those that another cell trains.
        begins: Epochs that another cell trains; 0: none.
        after: Key of that cell, if it is trained in this sweep.
    """

    work: Work
    begins: int = 0
    after: str | None = None


@dataclass(slots=True)
class _Running:
    """A cell on a slot: epochs behind it, and when its start, last report and last epoch were."""

    todo: Todo
    began_at: float
    done: int
    is_warm: bool
    told_at: float | None = None
    stamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Epoch:
    """A measured epoch: its number from 0, its seconds, and when it ended, Unix time in ms."""

    step: int
    seconds: float
    time_ms: int


class Forecast:
    """The time that is left of a sweep.

    Args:
        todo: The cells by key, in the order in which they are handed out; of a search none.
        slots: Gives the number of cells at a time, which may change.
        guess: Seconds of an epoch of kinds that this sweep has not measured yet.
        num_cells: Cells of a search; those not drawn yet count as the mean of those that were.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        todo: Mapping[str, Todo],
        *,
        slots: Callable[[], int],
        guess: Guess,
        num_cells: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.waiting = dict(todo)
        self.slots, self.clock = slots, clock
        self.num_undrawn = max(0, num_cells - len(todo))
        # The first epoch of a process also warms up, and counts as part of the cell's start.
        self.first, self.paces = Paces(guess), Paces(guess)
        self._recent: deque[tuple[float, Kind, float]] = deque(maxlen=MOST_RECENT)
        self._running: dict[str, _Running] = {}
        self._num_started = 0
        self._starts: list[float] = []
        self._begun: list[float] = []
        self._freed: deque[float] = deque()
        self._drawn_s: list[float] = []
        self._found: tuple[float, float, float, int] | None = None

    def start(self, key: str, train_work: Callable[[], Work]) -> None:
        """A cell starts or restarts.

        Args:
            key: The cell's key.
            train_work: Gives its epochs, if a search has drawn it.
        """
        if key in self._running:
            todo = self._running[key].todo
        elif key in self.waiting:
            todo = self.waiting.pop(key)
        else:
            todo = Todo(work=train_work())
            self.num_undrawn = max(0, self.num_undrawn - 1)
        # The first cell of a slot waits for libraries, which later ones find loaded.
        is_warm = self._num_started >= self.slots()
        self._num_started += 1
        began_at = self.clock()
        if is_warm and self._freed:
            freed_at = self._freed.popleft()
            # The change of cells in a slot takes its time, too.
            if began_at - freed_at <= LONGEST_CHANGE_S:
                began_at = freed_at
        self._running[key] = _Running(todo, began_at, todo.begins, is_warm)
        self._found = None

    def report(self, key: str, *, done: int, epochs: Iterable[Epoch]) -> None:
        """A cell has completed `done` epochs, of which it has trained these since its last."""
        cell = self._running.get(key)
        if cell is None or not cell.todo.work:
            return
        now = self.clock()
        for epoch in epochs:
            kind = kind_at(cell.todo.work, epoch.step)
            if cell.stamp_ms is None:
                self.first.add(kind, epoch.seconds)
            else:
                # From end to end, with what is saved and measured in between.
                passed = (epoch.time_ms - cell.stamp_ms) / 1000
                seconds = passed if passed > 0 else epoch.seconds
                self.paces.add(kind, seconds)
                self._recent.append((now, kind, seconds))
            cell.stamp_ms = epoch.time_ms
        while len(self._recent) > NUM_RECENT and self._recent[0][0] < now - RECENT_S:
            self._recent.popleft()
        if cell.is_warm and cell.told_at is None:
            trained = part(cell.todo.work, cell.todo.begins, done)
            self._begun.append(max(0.0, now - cell.began_at - seconds_of(trained, self._pace())))
        cell.done, cell.told_at = done, now

    def end(self, key: str) -> None:
        """A cell has finished, failed, or was stopped."""
        cell = self._running.pop(key, None)
        if cell is None:
            return
        now = self.clock()
        self._freed.append(now)
        self._drawn_s.append(now - cell.began_at)
        if cell.is_warm and cell.stamp_ms is not None:
            pace, trained = self._pace(), part(cell.todo.work, cell.todo.begins, cell.done)
            self._starts.append(max(0.0, now - cell.began_at - seconds_of(trained, pace)))
        self._found = None

    def give_back(self, key: str) -> None:
        """A cell leaves its slot untrained, and is the first to get another one."""
        if (cell := self._running.pop(key, None)) is not None:
            self.waiting = {key: cell.todo, **self.waiting}
            self._found = None

    def drop(self, key: str) -> None:
        """Another sweep has trained a cell."""
        self.waiting.pop(key, None)
        self._found = None

    def expect_no_more(self) -> None:
        """A search draws no other cell."""
        self.num_undrawn = 0
        self._found = None

    @property
    def left_s(self) -> float | None:
        """Seconds until the last cell has ended; None before the first epoch."""
        if not self.paces.measured and not self.first.measured:
            return None
        now = self.clock()
        if self._found is not None:
            left, at, cost, slots = self._found
            if slots == self.slots() and now - at < max(RENEWED_S, LEAST_SHARE * cost):
                return max(0.0, left - (now - at))
        began = time.perf_counter()
        left = self._left(now)
        self._found = left, now, time.perf_counter() - began, self.slots()
        return left

    def _left(self, now: float) -> float:
        mean, speed = self._pace(), self._speed()
        pace = _remembered(lambda kind: speed * mean(kind))
        # Of whole cells, once some have ended; before, of what went by until the first report.
        starts = self._starts or self._begun
        start = sum(starts) / len(starts) if starts else USUAL_CHANGE_S
        running = [self._left_of(cell, now, start, pace) for cell in self._running.values()]
        tasks, passes, ready = [], {}, {}
        for key, todo in self.waiting.items():
            own = start + seconds_of(part(todo.work, todo.begins), pace)
            tasks.append(Task(key=key, seconds=own, after=todo.after))
            if todo.after in self._running:
                other = self._running[todo.after]
                until = part(other.todo.work, other.done, todo.begins)
                ready[key] = seconds_of(until, pace)
            elif todo.after is not None and (first := self.waiting.get(todo.after)):
                until = part(first.work, first.begins, todo.begins)
                passes[todo.after, key] = start + seconds_of(until, pace)
        tasks += self._undrawn(start, pace)
        return finish_s(tasks, max(1, self.slots()), running=running, passes=passes, ready=ready)

    def _left_of(self, cell: _Running, now: float, start: float, pace: Guess) -> float:
        """Seconds that are left of a running cell."""
        work = seconds_of(part(cell.todo.work, cell.done), pace)
        if cell.told_at is None:
            return max(0.0, start - (now - cell.began_at)) + work
        # The epoch that it is in began with the last report.
        return max(0.0, work - (now - cell.told_at))

    def _undrawn(self, start: float, pace: Guess) -> list[Task]:
        """The cells that a search will draw, each as long as those before."""
        if not self.num_undrawn:
            return []
        known = self._drawn_s or [
            start + seconds_of(cell.todo.work, pace) for cell in self._running.values()
        ]
        each = sum(known) / len(known) if known else 0.0
        return [Task(key=f"?{number}", seconds=each) for number in range(self.num_undrawn)]

    def _speed(self) -> float:
        """How long the last epochs took, as multiples of the means of their kinds."""
        means = sum(self.paces(kind) for _, kind, _ in self._recent)
        return sum(seconds for *_, seconds in self._recent) / means if means > 0 else 1.0

    def _pace(self) -> Paces:
        """What was measured; of a network that has trained one epoch only, that one."""
        known = {kind.training for kind in self.paces.measured}
        first = {
            kind: found
            for kind, found in self.first.measured.items()
            if kind.training not in known
        }
        return Paces(self.paces.guess, {**first, **self.paces.measured})


def _remembered(pace: Guess) -> Guess:
    """The same, computed once for each kind."""
    found: dict[Kind, float] = {}

    def remember(kind: Kind) -> float:
        if kind not in found:
            found[kind] = pace(kind)
        return found[kind]

    return remember
