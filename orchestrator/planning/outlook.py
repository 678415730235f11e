"""How long a plan will take, and on what that rests: measured epochs, or a rough idea; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from orchestrator.planning.cost import epoch_seconds, seconds_a_binary_layer
from orchestrator.planning.forecast import Forecast, Todo
from orchestrator.planning.paces import Guess, Measured, Paces, kinds_of, seconds_of
from orchestrator.planning.planning import Plan
from orchestrator.planning.schedule import Task, finish_s
from orchestrator.planning.workload import Kind, part, training_of
from orchestrator.study.cells import Cell
from trainers.binding import Component
from trainers.spec.data_spec import DataSpec
from trainers.spec.train_spec import TrainSpec

START_S = 8.0
"""Seconds until the first epoch begins: libraries, Ray, its workers; measured on two cores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What is known of how long epochs take, before a sweep has measured any.

    Args:
        measured: Epochs that were measured, by kind.
        num_cells: In how many cells.
        where: Who measured them: `here` or `in this store`.
    """

    measured: Mapping[Kind, Measured] = field(default_factory=dict)
    num_cells: int = 0
    where: str = "here"


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """How long a plan will take.

    Args:
        seconds: From start to end; for a search, at most.
        trial_seconds: Of all trials together.
        basis: What it rests on, for people.
        is_rough: Whether nothing like it was measured; then it is of CPU cores.
        gpus: GPUs of each trial.
    """

    seconds: float
    trial_seconds: float
    basis: str
    is_rough: bool = False
    gpus: float = 0.0

    @property
    def gpu_hours(self) -> float:
        """Hours of GPUs for all trials together."""
        return self.gpus * self.trial_seconds / 3600

    @property
    def is_known(self) -> bool:
        """Whether it says anything: what cores would take says nothing of a GPU."""
        return not (self.is_rough and self.gpus)


def probing(plan: Plan) -> tuple[Cell, ...]:
    """The remaining cells, one of each network and data in front, else in the study's order.

    So a sweep of several networks soon knows how long an epoch of each of them takes, and with how
    many binary layers: of each network it is the first cell that has had most of these numbers.
    Those that will take most of the time, by a rough guess, come first.
    """
    found: dict[frozenset[str], list[Cell]] = {}
    for cell in plan.todo:
        trainings = frozenset(stretch.kind.training for stretch in plan.works[cell.id])
        found.setdefault(trainings, []).append(cell)
    if len(found) < 2:
        return plan.todo

    def num_kinds(cell: Cell) -> int:
        # One that goes on from another one's epochs would wait for these.
        start = plan.starts.get(cell.id)
        waits = start is not None and start.begins > 0
        return 0 if waits else len({stretch.kind for stretch in plan.works[cell.id]})

    pace = rough_pace(plan)

    def seconds(cells: list[Cell]) -> float:
        return sum(seconds_of(plan.works[cell.id], pace) for cell in cells)

    in_front = sorted(found.values(), key=seconds, reverse=True)
    first = tuple(max(cells, key=num_kinds) for cells in in_front)
    ids = {cell.id for cell in first}
    return (*first, *(cell for cell in plan.todo if cell.id not in ids))


def todos(plan: Plan, key: Callable[[Cell], str]) -> dict[str, Todo]:
    """The remaining cells by their keys as `probing` orders them; who trains their beginnings.

    Args:
        plan: The plan; of a search there are none.
        key: Gives a cell's key.
    """
    keys = {cell.id: key(cell) for cell in plan.todo}
    found: dict[str, Todo] = {}
    for cell in probing(plan):
        start = plan.starts.get(cell.id)
        after = keys.get(start.carrier or "") if start else None
        begins = start.begins if start else 0
        found[keys[cell.id]] = Todo(work=plan.works[cell.id], begins=begins, after=after)
    return found


def rough_pace(plan: Plan, *, cpus: float = 1.0) -> Guess:
    """Seconds of an epoch by operations and binary layers, for networks and data of a plan.

    Args:
        plan: The plan.
        cpus: Cores that each trial has.
    """
    stages: dict[str, TrainSpec] = {}
    for cell in plan.todo or plan.study.trials:
        if cell.train.before is None:
            stages[plan.works[cell.id][-1].kind.training] = cell.train
        else:
            stages |= {training_of(stage.to_mapping()): stage for stage in cell.train.stages}
    once: dict[tuple[Component, DataSpec], tuple[float, float]] = {}
    for stage in stages.values():
        if (stage.model, stage.data) not in once:
            found = epoch_seconds(stage) / cpus, seconds_a_binary_layer(stage) / cpus
            once[stage.model, stage.data] = found
    seconds = {text: once[stage.model, stage.data] for text, stage in stages.items()}

    usual = fmean(real for real, _ in seconds.values()), 0.0

    def pace(kind: Kind) -> float:
        # A search may draw others than its extremes.
        real, of_layer = seconds.get(kind.training, usual)
        return real + kind.binary * of_layer

    return pace


def expected(
    plan: Plan, *, slots: int, basis: Basis, cpus: float = 1.0, gpus: float = 0.0
) -> Expected:
    """How long a plan will take.

    Args:
        plan: The plan.
        slots: Trials at a time.
        basis: What was measured before.
        cpus: Cores that each trial has.
        gpus: GPUs of each trial.
    """
    pace = Paces(rough_pace(plan, cpus=cpus), dict(basis.measured))
    tasks, passes = _tasks(plan, pace)
    kinds = kinds_of(plan.works.values())
    known = {kind for kind in kinds if pace.knows(kind)}
    return Expected(
        seconds=START_S + finish_s(tasks, slots, passes=passes),
        trial_seconds=sum(task.seconds for task in tasks),
        basis=_text(basis, is_known=bool(known), is_whole=known == kinds),
        is_rough=not known,
        gpus=gpus,
    )


def forecast_of(
    plan: Plan, *, key: Callable[[Cell], str], slots: Callable[[], int], basis: Basis
) -> Forecast:
    """The forecast of a sweep that begins.

    Args:
        plan: The plan.
        key: Gives a cell's key.
        slots: Gives the number of trials at a time.
        basis: What was measured before.
    """
    found = {} if plan.num_samples else todos(plan, key)
    return Forecast(
        found,
        slots=slots,
        guess=Paces(rough_pace(plan), dict(basis.measured)),
        num_cells=plan.num_todo,
    )


def _tasks(plan: Plan, pace: Paces) -> tuple[list[Task], dict[tuple[str, str], float]]:
    """The tasks of a plan, and when others may start from their beginnings."""
    if plan.num_samples:
        most = max(seconds_of(work, pace) for work in plan.works.values())
        return [Task(key=str(number), seconds=most) for number in range(plan.num_todo)], {}
    found = todos(plan, lambda cell: cell.id)
    tasks, passes = [], {}
    for key, todo in found.items():
        own = seconds_of(part(todo.work, todo.begins), pace)
        tasks.append(Task(key=key, seconds=own, after=todo.after))
        if todo.after is not None:
            other = found[todo.after]
            until = part(other.work, other.begins, todo.begins)
            passes[todo.after, key] = seconds_of(until, pace)
    return tasks, passes


def _text(basis: Basis, *, is_known: bool, is_whole: bool) -> str:
    if not is_known:
        return "a rough idea: nothing like it was measured before"
    epochs = sum(found.num for found in basis.measured.values())
    text = f"from {epochs:,} epochs of {basis.num_cells:,} cells measured {basis.where}"
    return text if is_whole else f"{text}, in part a rough idea"
