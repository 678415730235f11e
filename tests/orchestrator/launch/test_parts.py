"""Tune's searchers and schedulers; no test here starts Ray."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule
from ray.tune.search import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch as TuneOptunaSearch
from ray.tune.search.sample import Categorical, Domain, Float, Integer

from orchestrator.launch.metrics import Series
from orchestrator.launch.parts import (
    ReadyCells,
    Search,
    StopRequest,
    limited,
    search_parts,
    tune_scheduler,
)
from orchestrator.launch.report import EpochReport, GivenBack
from orchestrator.launch.resources import Resources
from orchestrator.launch.slots import Slots
from orchestrator.planning.sharing import Beginnings
from orchestrator.study.axes import Axis, read_axis
from orchestrator.study.cells import Cell
from orchestrator.study.search import (
    AshaScheduler,
    MedianScheduler,
    OptunaSearch,
    RandomSearch,
    Scheduler,
)
from trainers.spec.train_spec import TrainSpec


def _slots(num: int) -> Slots:
    """So many CPUs, and a trial takes one."""
    return Slots(Resources(), lambda: [{"CPU": num}])


def _result(epoch: int, *, available: tuple[int, ...] = ()) -> dict[str, Any]:
    """As Tune passes a report on, with a key of its own."""
    report = EpochReport(
        epoch=epoch,
        points=(),
        summary=Series(epoch - 1, 1000, {}),
        objective=0.5,
        available=available,
    )
    return {**report.to_plain(), "training_iteration": 7}


def test_asha_counts_epochs_and_stops_at_the_longest_trial() -> None:
    record = AshaScheduler(grace_period=7, reduction_factor=3)
    made = tune_scheduler(record, max_epochs=100)
    assert isinstance(made, ASHAScheduler)
    assert made._time_attr == "epoch"
    assert made._max_t == 100
    assert made._reduction_factor == 3
    # Each rung is a number of epochs, with what was recorded there.
    assert min(rung[0] for rung in made._brackets[0]._rungs) == 7


def test_a_grace_period_beyond_the_last_epoch_is_cut() -> None:
    made = tune_scheduler(AshaScheduler(grace_period=50), max_epochs=9)
    assert isinstance(made, ASHAScheduler)
    assert made._max_t == 9


def test_the_median_rule_counts_epochs() -> None:
    made = tune_scheduler(MedianScheduler(grace_period=5, min_samples=4), max_epochs=9)
    assert isinstance(made, MedianStoppingRule)
    assert made._time_attr == "epoch"
    assert made._grace_period == 5
    assert made._min_samples_required == 4


def test_without_a_scheduler_no_trial_is_stopped() -> None:
    made = tune_scheduler(None, max_epochs=9)
    assert isinstance(made, FIFOScheduler)
    assert type(made).on_trial_result is FIFOScheduler.on_trial_result


@pytest.mark.parametrize("record", [None, AshaScheduler(), MedianScheduler()])
def test_the_next_trial_is_the_first_that_waits_and_ended_ones_are_not_looked_at(
    record: Scheduler | None,
) -> None:
    class Loop:
        """Has no list of all trials."""

        def __init__(self, **states: str) -> None:
            self.states = states

        def get_live_trials(self) -> list[Any]:
            return [SimpleNamespace(trial_id=name, status=s) for name, s in self.states.items()]

    def chosen(**states: str) -> str | None:
        trial = tune_scheduler(record, max_epochs=9).choose_trial_to_run(cast(Any, Loop(**states)))
        return None if trial is None else str(trial.trial_id)

    assert chosen(t3="PENDING", t1="RUNNING", t2="PENDING", t0="ERROR") == "t2"
    assert chosen(t1="PAUSED", t2="PENDING") == "t2"
    assert chosen(t2="PAUSED", t1="RUNNING") == "t2"
    assert chosen(t1="RUNNING") is None


def _axis(**entry: Any) -> Axis:
    return read_axis({"name": "x", "sets": "epochs", **entry}, layers=())


def _space(axis: Axis, searcher: Any = None) -> Domain:
    search = Search(axes=[axis], searcher=searcher or RandomSearch(num_samples=3), num_samples=3)
    space, _ = search_parts(search)
    assert list(space) == ["x"]
    return cast(Domain, space["x"])


def test_choices_are_drawn_by_their_labels() -> None:
    domain = _space(_axis(choices=[32, 64]))
    assert isinstance(domain, Categorical)
    assert domain.categories == ["32", "64"]


@pytest.mark.parametrize("log", [False, True])
def test_whole_numbers_are_drawn_up_to_and_with_the_upper_end(log: bool) -> None:
    domain = _space(_axis(range={"low": 2, "high": 4, "integer": True, "log": log}))
    assert isinstance(domain, Integer)
    assert set(domain.sample(size=200)) == {2, 3, 4}


@pytest.mark.parametrize("log", [False, True])
def test_numbers_are_drawn_between_both_ends(log: bool) -> None:
    domain = _space(_axis(range={"low": 1e-4, "high": 1, "log": log}))
    assert isinstance(domain, Float)
    assert (domain.lower, domain.upper) == (1e-4, 1.0)
    drawn = domain.sample(size=200)
    assert all(1e-4 <= value <= 1 for value in drawn)
    below = sum(value < 0.01 for value in drawn)
    assert (below > 60) == log


KNOWN = [({"x": 0.5}, 0.25), ({"x": 0.01}, 0.125)]


def _parts(searcher: Any, known: Any = ()) -> tuple[dict[str, Any], Any]:
    axes = [_axis(range={"low": 0.001, "high": 1, "log": True})]
    search = Search(axes=axes, searcher=searcher, num_samples=3, known=known)
    return search_parts(search)


def _drawn_at_random(seed: int, known: Any = ()) -> list[float]:
    space, algorithm = _parts(RandomSearch(num_samples=3, seed=seed), known)
    assert isinstance(algorithm, BasicVariantGenerator)
    return [space["x"].sample(random_state=algorithm._random_state) for _ in range(3)]


def _drawn_by_optuna(seed: int, known: Any = ()) -> list[float]:
    space, algorithm = _parts(OptunaSearch(num_samples=3, seed=seed), known)
    if space:
        # What the tuner does with a space that the searcher was not given.
        assert algorithm.set_search_properties("objective", "min", space)
    return [algorithm.suggest(str(number))["x"] for number in range(3)]


DRAWS = pytest.mark.parametrize("drawn", [_drawn_at_random, _drawn_by_optuna])


@DRAWS
def test_a_search_draws_the_same_points_for_the_same_seed(drawn: Any) -> None:
    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)
    assert drawn(5, KNOWN) == drawn(5, KNOWN)


@DRAWS
@pytest.mark.parametrize("seed", [2**32 - 1, 2**32, 20261126120000, 2**70])
def test_a_search_takes_a_seed_of_any_size(drawn: Any, seed: int) -> None:
    assert drawn(seed) == drawn(seed)
    assert not set(drawn(seed)) & set(drawn(seed, KNOWN))


@DRAWS
def test_a_search_that_goes_on_does_not_draw_its_first_points_again(drawn: Any) -> None:
    assert not set(drawn(5)) & set(drawn(5, KNOWN))
    assert not set(drawn(5, KNOWN[:1])) & set(drawn(5, KNOWN))


def test_a_random_search_keeps_its_space_when_it_goes_on() -> None:
    space, _ = _parts(RandomSearch(num_samples=3), KNOWN)
    assert list(space) == ["x"]


def test_optuna_draws_from_the_space_of_the_axes() -> None:
    space, algorithm = _parts(OptunaSearch(num_samples=3))
    assert isinstance(space["x"], Float)
    assert isinstance(algorithm, TuneOptunaSearch)
    assert (algorithm.metric, algorithm.mode) == ("objective", "min")


def test_optuna_is_told_what_was_measured_before() -> None:
    space, algorithm = _parts(OptunaSearch(num_samples=3), KNOWN)
    assert space == {}
    trials = algorithm._ot_study.trials
    assert [(trial.params["x"], trial.value) for trial in trials] == [(0.5, 0.25), (0.01, 0.125)]
    drawn = algorithm.suggest("one")
    assert 0.001 <= drawn["x"] <= 1


@pytest.mark.parametrize("slots", [1, 2])
def test_a_searcher_draws_no_more_than_slots_before_a_trial_ends(slots: int) -> None:
    space, algorithm = _parts(OptunaSearch(num_samples=9))
    one = cast(Any, limited(algorithm, slots=_slots(slots), stop=StopRequest()))
    assert one.set_search_properties("objective", "min", space)
    drawn = [one.suggest(str(number)) for number in range(slots + 2)]
    assert [bool(config) for config in drawn] == [True] * slots + [False] * 2
    one.on_trial_complete("0", {"objective": 0.5})
    assert one.suggest("next")


def test_a_random_search_has_no_more_trials_at_once_than_slots() -> None:
    generator = limited(
        _parts(RandomSearch(num_samples=9))[1], slots=_slots(3), stop=StopRequest()
    )
    assert isinstance(generator, BasicVariantGenerator)
    assert generator.max_concurrent == 3


class _Moving:
    """A cluster of one node, whose CPUs and whose clock a test sets."""

    def __init__(self, num: int) -> None:
        self.num, self.now_s = num, 0.0
        self.slots = Slots(
            Resources(), lambda: [{"CPU": self.num}], moves=True, clock=lambda: self.now_s
        )

    def becomes(self, num: int) -> None:
        self.num, self.now_s = num, self.now_s + 10
        self.slots.recount()


def test_a_searcher_draws_for_slots_that_came_later_and_waits_for_those_that_left() -> None:
    moving = _Moving(1)
    space, algorithm = _parts(OptunaSearch(num_samples=9))
    one = cast(Any, limited(algorithm, slots=moving.slots, stop=StopRequest()))
    assert one.set_search_properties("objective", "min", space)
    assert [bool(one.suggest(name)) for name in ("a", "b")] == [True, False]
    moving.becomes(3)
    assert [bool(one.suggest(name)) for name in ("b", "c", "d")] == [True, True, False]
    moving.becomes(2)
    one.on_trial_complete("a", {"objective": 0.5})
    assert not one.suggest("d")
    one.on_trial_complete("b", {"objective": 0.5})
    assert one.suggest("d")


def test_cells_are_handed_out_to_slots_that_came_later(ready: ReadyCells) -> None:
    moving = _Moving(1)
    limiter = cast(Any, limited(ready, slots=moving.slots, stop=StopRequest()))
    assert [bool(limiter.suggest(name)) for name in ("a", "b")] == [True, False]
    moving.becomes(2)
    assert [bool(limiter.suggest(name)) for name in ("b", "c")] == [True, False]


def test_a_random_search_draws_for_slots_that_came_later() -> None:
    moving = _Moving(1)
    generator = cast(
        Any,
        limited(_parts(RandomSearch(num_samples=9))[1], slots=moving.slots, stop=StopRequest()),
    )
    moving.becomes(4)
    assert generator.next_trial() is None
    assert generator.max_concurrent == 4


def test_what_tune_writes_of_a_limit_leaves_the_nodes_out(ready: ReadyCells) -> None:
    moving = _Moving(2)
    limiter = cast(Any, limited(ready, slots=moving.slots, stop=StopRequest()))
    state = pickle.loads(pickle.dumps(limiter.get_state()))
    assert vars(state["slots"]) == {"num": 2}


def test_nothing_is_drawn_after_a_wish_to_stop(ready: ReadyCells) -> None:
    stop = StopRequest()
    drawn = cast(Any, limited(_parts(RandomSearch(num_samples=9))[1], slots=_slots(3), stop=stop))
    cells = cast(Any, limited(ready, slots=_slots(3), stop=stop))
    assert cells.suggest("t1")
    assert not drawn.is_finished()
    stop.is_made = True
    assert drawn.is_finished()
    assert cells.suggest("t2") == ReadyCells.FINISHED


def test_where_nothing_runs_and_all_that_is_left_is_with_others_it_is_the_end() -> None:
    answers: dict[str, bool | None] = {}
    cells = {name: Cell(train=TRAIN, labels={"order": name}) for name in ("a", "b", "c")}
    ready = ReadyCells(Beginnings(cells, take=lambda key: answers.get(key, True)))
    answers |= {"b": False, "c": None}
    assert ready.suggest("t1") == {"cell": "a", "begins": 0, "leaves": []}
    assert ready.suggest("t2") is None
    ready.on_trial_complete("t1", _result(6))
    assert ready.suggest("t2") == ReadyCells.FINISHED
    answers["b"] = True
    assert ready.suggest("t2") == {"cell": "b", "begins": 0, "leaves": []}
    assert len(ready.beginnings) == 0


def test_limits_leave_a_random_search_its_seed() -> None:
    space, algorithm = _parts(RandomSearch(num_samples=3, seed=5))
    state = cast(Any, limited(algorithm, slots=_slots(2), stop=StopRequest()))._random_state
    assert [space["x"].sample(random_state=state) for _ in range(3)] == _drawn_at_random(5)


TRAIN = TrainSpec.from_mapping(
    {
        "model": {"name": "mlp", "widths": [64, 8, 10]},
        "data": "digits",
        "optimizer": {"name": "adam", "lr": 0.01},
        "epochs": 6,
    }
)


@pytest.fixture
def ready() -> ReadyCells:
    """Two cells of which the second begins with the state of the first, and one on its own."""
    mapping = {
        "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
        "data": "digits",
        "optimizer": {"name": "adam", "lr": 0.01},
        "epochs": 6,
    }
    orders = {"forward": [1, 2, 3], "132": [1, 3, 2], "213": [2, 1, 3]}
    cells = {
        name: Cell(
            train=TrainSpec.from_mapping(
                mapping | {"layers": {"order": order, "epochs_per_layer": 2}}
            ),
            labels={"order": name},
        )
        for name, order in orders.items()
    }
    return ReadyCells(Beginnings(cells))


def test_cells_are_handed_out_when_they_are_ready(ready: ReadyCells) -> None:
    limiter = cast(Any, limited(ready, slots=_slots(3), stop=StopRequest()))
    assert limiter.suggest("t1") == {"cell": "forward", "begins": 0, "leaves": [2]}
    assert limiter.suggest("t2") == {"cell": "213", "begins": 0, "leaves": []}
    assert limiter.suggest("t3") is None
    limiter.on_trial_result("t1", _result(1))
    assert limiter.suggest("t3") is None
    limiter.on_trial_result("t1", _result(2, available=(2,)))
    assert limiter.suggest("t3") == {"cell": "132", "begins": 2, "leaves": []}
    assert limiter.suggest("t4") is None


@pytest.mark.parametrize("epoch", [None, 1])
def test_a_cell_that_ended_before_it_left_its_state_is_not_waited_for(
    epoch: int | None, ready: ReadyCells
) -> None:
    for trial in ("t1", "t2"):
        ready.suggest(trial)
    ready.on_trial_complete("t1", _result(epoch) if epoch else None, error=epoch is None)
    assert ready.suggest("t3") == {"cell": "132", "begins": 0, "leaves": []}


def test_a_cell_that_gave_its_place_back_is_not_done_and_nothing_follows(
    ready: ReadyCells,
) -> None:
    dropped: list[str] = []
    ready.beginnings._drop = dropped.append
    slots = _slots(3)
    limiter = cast(Any, limited(ready, slots=slots, stop=StopRequest()))
    assert limiter.suggest("t1")["leaves"] == [2]
    limiter.on_trial_result("t1", _result(2, available=(2,)))
    limiter.on_trial_complete("t1", GivenBack("no memory").to_plain())
    # Its stem stays for the next round: two of the cells that pass it are not trained.
    assert dropped == []
    slots.is_draining = True
    assert limiter.suggest("t2") == ReadyCells.FINISHED


def test_what_the_last_report_says_was_left_is_there(ready: ReadyCells) -> None:
    for trial in ("t1", "t2"):
        ready.suggest(trial)
    ready.on_trial_complete("t1", _result(6, available=(2,)))
    assert ready.suggest("t3") == {"cell": "132", "begins": 2, "leaves": []}


def test_what_tune_writes_of_its_own_does_not_matter(ready: ReadyCells, tmp_path: Path) -> None:
    ready.suggest("t1")
    ready.on_trial_result("t1", {"done": True})
    ready.save(str(tmp_path / "state"))
    assert list(tmp_path.iterdir()) == []
