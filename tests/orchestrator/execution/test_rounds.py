"""The rounds of a sweep beside others; Tune's own part is played by a fake."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.execution import rounds as module
from orchestrator.execution.leases import Leases
from orchestrator.execution.listener import SweepListener
from orchestrator.execution.rounds import Rounds
from orchestrator.launch import Resources, Slots
from orchestrator.launch.jobs import Jobs
from orchestrator.launch.parts import Search, search_parts
from orchestrator.mlflow_reader.cells import OBJECTIVE, RecordedCell
from orchestrator.planning.planning import plan
from orchestrator.planning.stem_store import StemStore
from orchestrator.record.known import Recorded
from orchestrator.study.axes import read_axis
from orchestrator.study.cells import Cell
from orchestrator.study.search import OptunaSearch
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.vocabulary import State


class FakeListener:
    """Knows which cells came to an end."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.num_ticks = 0

    def open_of(self, cells: Mapping[str, Cell]) -> dict[str, Cell]:
        return {key: cell for key, cell in cells.items() if key not in self.over}

    def tick(self) -> None:
        self.num_ticks += 1


class Bystander:
    """Remembers who else trained."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def elsewhere(self, num_cells: int, holders: str) -> None:
        self.told.append((num_cells, holders))


@pytest.fixture
def others(make_leases: Callable[[], Leases]) -> Leases:
    """Of another sweep of the same home."""
    return make_leases()


@pytest.fixture
def finished() -> set[str]:
    """Trials that others have finished meanwhile."""
    return set()


@pytest.fixture
def make_rounds(
    study: StudySpec,
    cells: Sequence[Cell],
    leases: Leases,
    finished: set[str],
    tmp_path: Path,
) -> Callable[[], Rounds]:
    def make() -> Rounds:
        stems = StemStore(tmp_path / "stems")
        by_key = {cell_key(study, cell): cell for cell in cells}
        since = SimpleNamespace(
            cells=(), finished_since=lambda trial: trial if trial in finished else None
        )
        return Rounds(
            plan(study),
            Jobs(study=study, cells=by_key, template=cast(Any, None), stems=stems),
            cast(Recorded, since),
            leases,
            stems,
            slots=Slots(Resources(), lambda: [{"CPU": 2}]),
        )

    return make


@pytest.fixture
def tune(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The cells that each round of a Tune that never fails was handed."""
    handed: list[list[str]] = []
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.01)
    monkeypatch.setattr("orchestrator.execution.claims.ASK_EVERY_S", 0.0)

    def launch(work: Jobs, *, cells: Any, listener: FakeListener, **options: Any) -> bool:
        handed.append([])
        while start := cells.next():
            handed[-1].append(start.key)
            listener.over.add(start.key)
        return True

    monkeypatch.setattr(module.launch, "launch", launch)
    return handed


def _run(rounds: Rounds, tmp_path: Path, bystander: Bystander) -> FakeListener:
    listener = FakeListener()
    rounds.run(
        cast(SweepListener, listener),
        bystander,
        folder=tmp_path,
        verbose=False,
    )
    return listener


def test_alone_one_round_trains_all(
    make_rounds: Callable[[], Rounds], tune: list[list[str]], tmp_path: Path
) -> None:
    rounds, bystander = make_rounds(), Bystander()
    _run(rounds, tmp_path, bystander)
    assert tune == [list(rounds.work.cells)]
    assert bystander.told == []
    assert rounds.progress.num_elsewhere == 0


def test_what_others_finish_is_waited_for_and_counted(
    make_rounds: Callable[[], Rounds],
    tune: list[list[str]],
    others: Leases,
    cells: Sequence[Cell],
    finished: set[str],
    tmp_path: Path,
) -> None:
    assert others.claim(cells[0].id)
    rounds, bystander = make_rounds(), Bystander()
    tell = bystander.elsewhere

    def elsewhere(num_cells: int, holders: str) -> None:
        tell(num_cells, holders)
        finished.add(cells[0].id)
        others.release(cells[0].id)

    bystander.elsewhere = elsewhere  # type: ignore[method-assign]
    listener = _run(rounds, tmp_path, bystander)
    assert [len(handed) for handed in tune] == [7]
    assert bystander.told == [(1, others.name)]
    assert rounds.progress.num_elsewhere == 1
    assert rounds.progress.epochs == 14
    assert listener.num_ticks == 1


def test_what_others_drop_is_trained_in_a_further_round(
    make_rounds: Callable[[], Rounds],
    tune: list[list[str]],
    others: Leases,
    cells: Sequence[Cell],
    study: StudySpec,
    tmp_path: Path,
) -> None:
    assert others.claim(cells[0].id)
    bystander = Bystander()

    def elsewhere(num_cells: int, holders: str) -> None:
        others.release(cells[0].id)

    bystander.elsewhere = elsewhere  # type: ignore[method-assign]
    rounds = make_rounds()
    _run(rounds, tmp_path, bystander)
    assert [len(handed) for handed in tune] == [7, 1]
    assert tune[1] == [cell_key(study, cells[0])]
    assert rounds.progress.num_elsewhere == 0


def test_after_a_drain_the_open_cells_are_trained_with_more_of_a_gpu(
    make_rounds: Callable[[], Rounds],
    monkeypatch: pytest.MonkeyPatch,
    others: Leases,
    tmp_path: Path,
) -> None:
    rounds = make_rounds()
    rounds.slots = Slots(Resources(gpus=0.25), lambda: [{"CPU": 8, "GPU": 1}])
    told: list[tuple[float, int, int]] = []

    def launch(
        work: Jobs, *, cells: Any, slots: Slots, listener: FakeListener, **options: Any
    ) -> bool:
        handed = [cells.next().key for _ in range(min(slots.num, len(cells)))]
        told.append((slots.resources.gpus, slots.num, len(handed)))
        # All but the first lack memory beside others; what was not handed out is nobody's.
        fit = handed if slots.num == 1 else handed[:1]
        slots.is_draining = len(fit) < len(handed)
        for key in handed:
            free = others.claim(work.cells[key].id)
            assert not free
        for key in fit:
            listener.over.add(key)
            rounds.leases.release(work.cells[key].id)
        return True

    monkeypatch.setattr(module.launch, "launch", launch)
    _run(rounds, tmp_path, Bystander())
    assert told[:3] == [(0.25, 4, 4), (0.5, 2, 2), (1.0, 1, 1)]
    assert {gpus for gpus, _, _ in told[3:]} == {1.0}
    assert sum(num for _, _, num in told) == 8 + 3 + 1


def test_cells_that_wait_for_the_end_of_a_drain_may_be_taken_by_others(
    make_rounds: Callable[[], Rounds],
    monkeypatch: pytest.MonkeyPatch,
    others: Leases,
    tmp_path: Path,
) -> None:
    rounds = make_rounds()
    rounds.slots = Slots(Resources(gpus=0.5), lambda: [{"CPU": 8, "GPU": 1}])
    free: list[bool] = []

    def launch(work: Jobs, *, cells: Any, slots: Slots, **options: Any) -> bool:
        if slots.resources.gpus == 1:
            free.extend(others.claim(cell.id) for cell in work.cells.values())
            return False
        cells.next()
        slots.is_draining = True
        return True

    monkeypatch.setattr(module.launch, "launch", launch)
    _run(rounds, tmp_path, Bystander())
    assert free == [False] + [True] * 7


def test_after_a_signal_nothing_more_is_begun(
    make_rounds: Callable[[], Rounds],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    calls: list[object] = []

    def stopped(*arguments: object, **options: object) -> bool:
        calls.append(arguments)
        return False

    monkeypatch.setattr(module.launch, "launch", stopped)
    _run(make_rounds(), tmp_path, Bystander())
    assert len(calls) == 1


def test_ctrl_c_while_others_train_ends_the_waiting(
    make_rounds: Callable[[], Rounds],
    tune: list[list[str]],
    others: Leases,
    cells: Sequence[Cell],
    tmp_path: Path,
) -> None:
    assert others.claim(cells[0].id)
    bystander = Bystander()

    def elsewhere(num_cells: int, holders: str) -> None:
        raise KeyboardInterrupt

    bystander.elsewhere = elsewhere  # type: ignore[method-assign]
    rounds = make_rounds()
    _run(rounds, tmp_path, bystander)
    assert [len(handed) for handed in tune] == [7]
    assert not rounds.progress.is_over


SIZES: dict[str, Any] = {"name": "n", "sets": "data.batch_size"}
RANGES = [
    ({"range": {"low": 16, "high": 64, "integer": True}}, "17", 17),
    ({"range": {"low": 16, "high": 64, "integer": True}}, "65", None),
    ({"range": {"low": 16, "high": 64, "integer": True}}, "17.5", None),
    ({"range": {"low": 0.1, "high": 1}}, "0.25", 0.25),
    ({"range": {"low": 0.1234567, "high": 0.7654321}}, "0.123457", 0.123457),
    ({"range": {"low": 0.1, "high": 0.1234564}}, "0.123457", 0.1234564),
    ({"range": {"low": 0.1, "high": 1}}, "2", None),
    ({"range": {"low": 0.1, "high": 1}}, "fast", None),
    ({"choices": {"on": 1, "off": 2}}, "on", "on"),
    ({"choices": {"on": 1, "off": 2}}, "true", None),
]


@pytest.mark.parametrize(("entry", "label", "point"), RANGES)
def test_a_search_goes_on_from_the_points_that_it_can_still_draw(
    entry: dict[str, Any], label: str, point: object
) -> None:
    axis = read_axis({**SIZES, **entry}, layers=())
    known = {"state": State.FINISHED, "metrics": {OBJECTIVE: 0.5}, "labels": {"n": label}}
    cells = [
        RecordedCell(run_id="a", **known),
        RecordedCell(run_id="b", **{**known, "state": State.FAILED}),
        RecordedCell(run_id="c", **{**known, "metrics": {OBJECTIVE: float("nan")}}),
        RecordedCell(run_id="d", **{**known, "labels": {}}),
    ]
    found = module._measured([axis], cells)
    assert found == ([] if point is None else [({"n": point}, 0.5)])
    # Ray's searchers take them: Optuna refuses a point outside of its space.
    search = Search(axes=[axis], searcher=OptunaSearch(num_samples=1), num_samples=1, known=found)
    search_parts(search)
