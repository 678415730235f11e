"""Common beginnings: what is shared, who waits for whom, and that nothing waits for ever."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.planning.sharing import Beginnings, Start, amount, starts, stems
from orchestrator.study.cells import Cell
from trainers.binarize.schedule import LayerSchedule
from trainers.spec.train_spec import TrainSpec

LAYERS = ("fc1", "fc2", "fc3", "fc4")


def _cell(order: str, *, per_layer: int = 5, **changes: Any) -> Cell:
    """A trial of a network of four layers (five, if the order names it): `312`, or nothing."""
    widths = [64, *[8] * (4 if "5" in order else 3), 10]
    mapping = {
        "model": {"name": "mlp", "widths": widths},
        "data": {"name": "digits", "batch_size": 64},
        "optimizer": {"name": "adam", "lr": 0.01},
        "layers": {"order": [int(number) for number in order], "epochs_per_layer": per_layer},
        "epochs": 30,
        "seed": 7,
    }
    labels = {"order": order, **{key: str(value) for key, value in changes.items()}}
    return Cell(train=TrainSpec.from_mapping(mapping | changes), labels=labels)


def _cells(*orders: str, **changes: Any) -> dict[str, Cell]:
    return {order: _cell(order, **changes) for order in orders}


def _permutations(numbers: str) -> list[str]:
    return ["".join(order) for order in itertools.permutations(numbers)]


def _amount(cells: Sequence[Cell]) -> tuple[int, ...]:
    made = amount(cells, starts(cells))
    alone = (made.stage_trainings_alone, made.epochs_alone)
    return (made.stage_trainings, made.epochs, *alone)


@pytest.mark.parametrize(
    ("numbers", "stages", "alone"), [("12", 4, 4), ("123", 15, 18), ("12345", 325, 600)]
)
def test_all_orders_need_a_training_for_each_beginning(
    numbers: str, stages: int, alone: int
) -> None:
    cells = list(_cells(*_permutations(numbers)).values())
    made = amount(cells, starts(cells))
    assert (made.stage_trainings, made.stage_trainings_alone) == (stages, alone)
    assert made.epochs_alone == 30 * len(cells)
    assert made.epochs == made.epochs_alone - 5 * (alone - stages)


def test_trials_without_stages_are_neither_counted_nor_shared() -> None:
    whole = [_cell("", per_layer=0), _cell("1234", per_layer=0), _cell("4321", per_layer=0)]
    assert all(stems(cell.train) == () for cell in whole)
    assert _amount(whole[:2]) == (0, 60, 0, 60)


def test_trials_with_a_stage_before_share_nothing_and_count_all_epochs() -> None:
    cells = list(_cells("1234", "1243", before={"layers": {"order": []}, "epochs": 9}).values())
    assert not any(stems(cell.train) for cell in cells)
    found = amount(cells, starts(cells))
    assert found.epochs == found.epochs_alone == 2 * (9 + 30)


def test_trials_of_one_order_with_different_seeds_share_nothing() -> None:
    cells = [_cell("1234", seed=seed) for seed in (1, 2, 3)]
    assert _amount(cells) == (12, 90, 12, 90)


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 31},
        {"per_layer": 6},
        {"seed": 8},
        {"data": {"name": "digits", "batch_size": 32}},
        {"lr_schedule": {"name": "multistep", "milestones": [20]}},
        {"latent_at_eval": "reset"},
        {"weights": {"name": "sign", "clip": 1.0}},
        {"precision": "float64"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_else_differs_nothing_is_shared(change: dict[str, Any]) -> None:
    cells = [_cell("1234"), _cell("1243", **change)]
    assert _amount(cells)[0] == 8


def test_orders_of_other_sets_of_layers_share_nothing() -> None:
    # A layer that never turns binary has no binarizer, and another name in the state.
    assert _amount([_cell("123"), _cell("124"), _cell("1234")]) == (10, 90, 10, 90)


def test_a_trial_begins_with_the_furthest_state_of_another() -> None:
    made = starts(_cells("1234", "1243", "1324", "2134").values())
    by_order = {cell.id: order for order, cell in _cells("1234", "1243", "1324", "2134").items()}
    found = {by_order[key]: (start.begins, start.leaves) for key, start in made.items()}
    assert found == {"1234": (0, (5, 10)), "1243": (10, ()), "1324": (5, ()), "2134": (0, ())}
    carriers = {by_order[key]: start.carrier for key, start in made.items() if start.carrier}
    assert {order: by_order[carrier] for order, carrier in carriers.items()} == {
        "1243": "1234",
        "1324": "1234",
    }


def test_a_state_is_left_only_where_somebody_parts_from_it() -> None:
    # Both part after the second layer; nobody needs the state after the first.
    made = starts(_cells("1234", "1243").values())
    assert [start.leaves for start in made.values()] == [(10,), ()]


def test_stems_are_equal_where_orders_agree_and_differ_afterwards() -> None:
    one, two = stems(_cell("1234").train), stems(_cell("1243").train)
    three = stems(_cell("1324").train)
    assert [stem.epochs for stem in one] == [5, 10]
    assert one == two
    assert one[0] == three[0]
    assert one[1] != three[1]


def test_names_of_keys_and_defaults_do_not_matter_to_a_stem() -> None:
    written = _cell("1234", loss={"name": "cross_entropy", "label_smoothing": 0.0})
    assert stems(written.train) == stems(_cell("1234").train)


def test_a_branch_waits_for_its_carrier_and_others_do_not() -> None:
    beginnings = Beginnings(_cells("1234", "1243", "1324", "2134"))
    assert beginnings.next() == Start(key="1234", leaves=(5, 10))
    assert beginnings.next() == Start(key="2134")
    assert beginnings.next() is None
    beginnings.reported("1234", epoch=4, available=[])
    assert beginnings.next() is None
    beginnings.reported("1234", epoch=5, available=[5])
    assert beginnings.next() == Start(key="1324", begins=5, carrier="1234")
    assert beginnings.next() is None
    beginnings.reported("1234", epoch=10, available=[5, 10])
    assert beginnings.next() == Start(key="1243", begins=10, carrier="1234")
    assert beginnings.next() is None
    assert len(beginnings) == 0


def test_if_the_carrier_fails_the_next_becomes_one() -> None:
    beginnings = Beginnings(_cells("1234", "1243", "1324"))
    beginnings.next()
    beginnings.reported("1234", epoch=7, available=[5])
    beginnings.ended("1234", finished=False)
    # It begins with what is there.
    assert beginnings.next() == Start(key="1243", begins=5, carrier="1234")
    assert beginnings.next() == Start(key="1324", begins=5, carrier="1234")

    beginnings = Beginnings(_cells("1234", "1243", "1324"))
    beginnings.next()
    beginnings.ended("1234", finished=False)
    assert beginnings.next() == Start(key="1243", leaves=(5,))
    assert beginnings.next() is None


def test_a_carrier_that_passed_without_leaving_its_state_is_not_waited_for() -> None:
    # It went on from a checkpoint of its own that lay behind.
    beginnings = Beginnings(_cells("1234", "1243", "1324"))
    beginnings.next()
    beginnings.reported("1234", epoch=9, available=[])
    assert beginnings.next() == Start(key="1324", leaves=(5,))
    assert beginnings.next() is None
    beginnings.reported("1234", epoch=11, available=[10])
    assert beginnings.next() == Start(key="1243", begins=10, carrier="1234")


def test_states_that_an_earlier_sweep_left_are_begun_with() -> None:
    available = [stems(_cell("1234").train)[0].id]
    beginnings = Beginnings(_cells("1234", "1243", "1324"), available=available)
    assert beginnings.next() == Start(key="1234", begins=5, leaves=(10,))
    assert beginnings.next() == Start(key="1324", begins=5)
    assert beginnings.next() is None


def test_a_state_is_dropped_when_the_last_cell_that_may_need_it_is_finished() -> None:
    dropped: list[str] = []
    cells = _cells("1234", "1243", "1324")
    first, second = (stem.id for stem in stems(cells["1234"].train))
    beginnings = Beginnings(cells, drop=dropped.append)
    for _ in range(3):
        start = beginnings.next()
        assert start is not None
        beginnings.reported(start.key, epoch=30, available=start.leaves)
    beginnings.ended("1234", finished=True)
    assert dropped == []
    beginnings.ended("1243", finished=True)
    assert dropped == [second]
    beginnings.ended("1324", finished=True)
    assert dropped == [second, first]


def test_a_state_stays_for_a_cell_that_failed() -> None:
    dropped: list[str] = []
    beginnings = Beginnings(_cells("1234", "1243"), drop=dropped.append)
    beginnings.next()
    beginnings.reported("1234", epoch=10, available=[10])
    beginnings.ended("1234", finished=True)
    beginnings.next()
    beginnings.ended("1243", finished=False)
    assert dropped == []


ORDERS = st.lists(st.sampled_from([*_permutations("1234"), "12", "123"]), min_size=1, unique=True)


_MADE: dict[str, Cell] = {}


def _made_once(orders: list[str]) -> dict[str, Cell]:
    """Cells made once for all examples."""
    for order in orders:
        if order not in _MADE:
            _MADE[order] = _cell(order)
    return {order: _MADE[order] for order in orders}


class Driver:
    """A sweep of nothing: cells that run, go on, leave what they shall, and sometimes fail."""

    def __init__(self, orders: list[str], slots: int, chance: Callable[[], int]) -> None:
        self.cells = _made_once(orders)
        self.dropped: list[str] = []
        self.beginnings = Beginnings(self.cells, drop=self.dropped.append)
        self.slots, self.chance = slots, chance
        self.running: dict[str, tuple[Start, int]] = {}
        self.begun: dict[str, Start] = {}
        self.available: set[str] = set()
        self.failed: set[str] = set()

    def run(self) -> None:
        while True:
            while len(self.running) < self.slots and (start := self.beginnings.next()):
                assert start.key not in self.begun
                self.begun[start.key] = start
                self.running[start.key] = (start, start.begins)
                passed = {stem.epochs: stem.id for stem in stems(self.cells[start.key].train)}
                assert not start.begins or passed[start.begins] in self.available
            if not self.running:
                return
            self._step(sorted(self.running)[self.chance() % len(self.running)])

    def _step(self, key: str) -> None:
        start, done = self.running[key]
        what, end = self.chance() % 12, self.cells[key].train.epochs
        if what == 0:
            del self.running[key]
            self.failed.add(key)
            self.beginnings.ended(key, finished=False)
            return
        done = min(end, done + 1 + self.chance() % 7)
        self.running[key] = (start, done)
        there = [epochs for epochs in start.leaves if epochs <= done] if what != 1 else []
        ids = {stem.epochs: stem.id for stem in stems(self.cells[key].train)}
        self.available |= {ids[epochs] for epochs in there}
        self.beginnings.reported(key, epoch=done, available=there)
        if done == end:
            del self.running[key]
            self.beginnings.ended(key, finished=True)


@settings(deadline=None, max_examples=150)
@given(orders=ORDERS, slots=st.integers(1, 5), data=st.data())
def test_whatever_fails_every_cell_is_trained_and_none_waits_for_ever(
    orders: list[str], slots: int, data: st.DataObject
) -> None:
    chances = data.draw(st.lists(st.integers(0, 99), min_size=1, max_size=200))
    source = itertools.cycle(chances)
    driver = Driver(orders, slots, lambda: next(source))
    driver.run()
    assert set(driver.begun) == set(orders)
    assert len(driver.beginnings) == 0
    if not driver.failed:
        assert set(driver.dropped) >= {
            stem.id
            for order, start in driver.begun.items()
            for stem in stems(driver.cells[order].train)
            if stem.epochs == start.begins
        }


@settings(deadline=None, max_examples=100)
@given(orders=ORDERS, slots=st.integers(1, 5), data=st.data())
def test_without_failures_many_at_a_time_begin_as_planned_for_one(
    orders: list[str], slots: int, data: st.DataObject
) -> None:
    chances = data.draw(st.lists(st.integers(2, 11), min_size=1, max_size=60))
    source = itertools.cycle(chances)
    driver = Driver(orders, slots, lambda: next(source))
    driver.run()
    planned = starts(driver.cells.values())
    for order, cell in driver.cells.items():
        begun, wanted = driver.begun[order], planned[cell.id]
        assert (begun.begins, begun.leaves) == (wanted.begins, wanted.leaves)
    assert driver.available == set(driver.dropped)


@settings(deadline=None, max_examples=100)
@given(orders=ORDERS)
def test_each_beginning_is_trained_once_and_nothing_is_missed(orders: list[str]) -> None:
    cells = _made_once(orders)
    made = amount(list(cells.values()), starts(cells.values()))
    # A stage is determined by which layers turned binary so far, in their order.
    stages = {
        (frozenset(order), order[:count]) for order in orders for count in range(1, len(order) + 1)
    }
    assert made.stage_trainings == len(stages)


def test_an_order_of_layers_stays_as_it_is() -> None:
    # The stems read the order itself: the canonical form must not sort it.
    schedule = _cell("4321").train.canonical().layers
    assert schedule == LayerSchedule(order=LAYERS[::-1], epochs_per_layer=5)


def test_a_cell_that_is_not_to_be_had_is_passed_over_and_asked_for_again() -> None:
    answers: dict[str, bool | None] = {"1234": False}
    asked: list[str] = []

    def take(key: str) -> bool | None:
        asked.append(key)
        return answers.get(key, True)

    beginnings = Beginnings(_cells("1234", "1243", "2134"), take=take)
    # Whoever has it may drop it, and it may begin here with what this one leaves.
    assert beginnings.next() == Start(key="1243", leaves=(10,))
    assert beginnings.next() == Start(key="2134")
    assert beginnings.next() is None
    beginnings.reported("1243", epoch=10, available=[10])
    assert beginnings.next() is None
    assert len(beginnings) == 1
    answers["1234"] = True
    assert beginnings.next() == Start(key="1234", begins=10, carrier="1243")
    assert asked == ["1234", "1243", "2134", "1234", "1234"]


def test_a_cell_that_another_sweep_finished_is_not_waited_for_and_needs_no_stem() -> None:
    dropped: list[str] = []
    cells = _cells("1234", "1243")
    available = [stem.id for stem in stems(cells["1234"].train)]
    answers: dict[str, bool | None] = {"1243": None}
    beginnings = Beginnings(
        cells, available=available, drop=dropped.append, take=lambda key: answers.get(key, True)
    )
    assert beginnings.next() == Start(key="1234", begins=10)
    assert beginnings.next() is None
    assert len(beginnings) == 0
    assert dropped == []
    beginnings.ended("1234", finished=True)
    assert sorted(dropped) == sorted(available)


def test_where_nothing_is_shared_every_cell_trains_its_own() -> None:
    beginnings = Beginnings(_cells("1234", "1243"), share=False)
    assert [beginnings.next(), beginnings.next()] == [Start(key="1234"), Start(key="1243")]
