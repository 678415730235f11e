"""Draws of a search: those that can be trials, each once; no test here starts Ray."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle, tune

from orchestrator.launch.draws import MOST_TOLD, MOST_TRIES, CheckedDraws, Draws, RandomDraws
from orchestrator.launch.parts import Search, StopRequest, checked, limited, search_parts
from orchestrator.launch.resources import Resources
from orchestrator.launch.slots import Slots
from orchestrator.study.axes import read_axis
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import trial_at
from orchestrator.study.search import OptunaSearch, RandomSearch
from orchestrator.study.spec import StudySpec

MakeStudy = Callable[..., StudySpec]
NOTHING = "nothing"


class Told(list[tuple[str, str]]):
    """What was said of draws that are no trials."""

    def __call__(self, drawn: str, reason: str) -> None:
        self.append((drawn, reason))


@pytest.fixture
def draws(make_search: MakeStudy) -> Callable[..., Draws]:
    """Of a search over epochs from 0, of which no trial has fewer than 2."""
    entry = {"name": "n", "sets": "epochs", "range": {"low": 0, "high": 9, "integer": True}}
    study = make_search(axes=[entry], matrix={"rows": "n"})

    def make(**changes: Any) -> Draws:
        def at(config: Mapping[str, Any]) -> Cell:
            return trial_at(study, config)

        return Draws(trial_at=at, **({"num_samples": 4} | changes))

    return make


def test_each_trial_is_taken_once(draws: Callable[..., Draws]) -> None:
    one = draws()
    assert [one.takes({"n": n}) for n in (5, 5, 6, 5, 7)] == [True, False, True, False, True]
    assert not one.is_over
    assert one.takes({"n": 8})
    assert one.is_over
    assert not one.is_exhausted


def test_a_trial_that_is_known_is_not_drawn_again(
    draws: Callable[..., Draws], make_search: MakeStudy
) -> None:
    known = draws().trial_at({"n": 5}).id
    assert not draws(known={known}).takes({"n": 5})


def test_what_cannot_be_a_trial_costs_that_draw_alone_and_is_told_once(
    draws: Callable[..., Draws],
) -> None:
    told = Told()
    one = draws(skipped=told)
    assert [one.takes({"n": n}) for n in (0, 1, 0, 5)] == [False, False, False, True]
    assert [drawn for drawn, _ in told] == ["n 0", "n 1"]
    assert all("epochs" in reason for _, reason in told)
    assert one.num_taken == 1


def test_a_search_that_finds_nothing_for_long_is_over(draws: Callable[..., Draws]) -> None:
    told = Told()
    one = draws(skipped=told)
    assert one.takes({"n": 5})
    for number in range(MOST_TRIES):
        assert not one.is_over
        one.takes({"n": -number})
    assert one.is_exhausted
    assert len(told) == MOST_TOLD


def _algorithm(searcher: Any, draws: Draws, **bounds: Any) -> tuple[dict[str, Any], Any]:
    axis = read_axis(
        {"name": "n", "sets": "epochs", "range": {"integer": True, **bounds}}, layers=()
    )
    search = Search(axes=[axis], searcher=searcher, num_samples=4, draws=draws)
    space, algorithm = search_parts(search)
    return space, checked(algorithm, draws)


def _all_of(algorithm: Any, space: dict[str, Any]) -> list[int]:
    """What a search draws to its end, as Tune asks for it."""
    if isinstance(algorithm, RandomDraws):
        spec = {"x": {"run": NOTHING, "config": space, "num_samples": 4 * MOST_TRIES}}
        algorithm.add_configurations(spec)
        found = []
        while (trial := algorithm.next_trial()) is not None:
            found.append(trial.config["n"])
            algorithm.on_trial_complete(trial.trial_id)
        return found
    assert algorithm.set_search_properties("objective", "min", space)
    found = []
    while isinstance(config := algorithm.suggest(f"t{len(found)}"), dict):
        result = {"objective": 0.5, "training_iteration": 1}
        algorithm.on_trial_result(f"t{len(found)}", result)
        algorithm.on_trial_complete(f"t{len(found)}", result)
        found.append(config["n"])
    assert config == CheckedDraws.FINISHED
    return found


@pytest.fixture(autouse=True)
def _something_to_run() -> None:
    """Tune wants to know what it draws for."""
    tune.register_trainable(NOTHING, lambda config: None)


SEARCHERS = pytest.mark.parametrize("record", [RandomSearch, OptunaSearch])


@SEARCHERS
def test_a_search_draws_other_trials_for_those_that_cannot_be(
    record: Any, draws: Callable[..., Draws]
) -> None:
    told = Told()
    one = draws(skipped=told)
    space, algorithm = _algorithm(record(num_samples=4), one, low=0, high=9)
    found = _all_of(algorithm, space)
    assert len(set(found)) == len(found) == 4
    assert min(found) >= 2
    assert {drawn for drawn, _ in told} <= {"n 0", "n 1"}


@SEARCHERS
def test_a_search_with_too_few_trials_ends_with_all_of_them(
    record: Any, draws: Callable[..., Draws]
) -> None:
    one = draws()
    space, algorithm = _algorithm(record(num_samples=4), one, low=0, high=3)
    assert sorted(_all_of(algorithm, space)) == [2, 3]
    assert one.is_exhausted


@SEARCHERS
def test_a_limit_and_a_wish_to_stop_hold_for_checked_draws(
    record: Any, draws: Callable[..., Draws]
) -> None:
    stop = StopRequest()
    space, algorithm = _algorithm(record(num_samples=4), draws(), low=2, high=9)
    one: Any = limited(algorithm, slots=Slots(Resources(), lambda: [{"CPU": 2}]), stop=stop)
    if record is RandomSearch:
        one.add_configurations({"x": {"run": NOTHING, "config": space, "num_samples": 99}})
        assert [one.next_trial() is not None for _ in range(3)] == [True, True, False]
        stop.is_made = True
        assert one.is_finished()
        return
    assert one.set_search_properties("objective", "min", space)
    assert [isinstance(one.suggest(str(n)), dict) for n in range(3)] == [True, True, False]
    stop.is_made = True
    assert one.suggest("more") == CheckedDraws.FINISHED


@SEARCHERS
def test_what_tune_writes_down_holds_no_study(
    record: Any, draws: Callable[..., Draws], tmp_path: Path
) -> None:
    lock = threading.Lock()
    one = draws(skipped=lambda drawn, reason: lock.release())
    space, algorithm = _algorithm(record(num_samples=4), one, low=2, high=9)
    # As Tune does before it begins, and every few seconds.
    cloudpickle.dumps(
        limited(algorithm, slots=Slots(Resources(), lambda: [{"CPU": 2}]), stop=StopRequest())
    )
    _all_of(algorithm, space)
    algorithm.save_to_dir(str(tmp_path), "session")
    if isinstance(algorithm, CheckedDraws):
        assert list(tmp_path.iterdir()) == []
    else:
        assert algorithm.get_state()["draws"] is None


@SEARCHERS
def test_a_failed_trial_is_passed_on(record: Any, draws: Callable[..., Draws]) -> None:
    space, algorithm = _algorithm(record(num_samples=4), draws(), low=2, high=9)
    if record is OptunaSearch:
        assert algorithm.set_search_properties("objective", "min", space)
        assert algorithm.suggest("t")
        algorithm.on_trial_complete("t", error=True)
        [trial] = algorithm.drawn._ot_study.trials
        assert trial.state.name == "FAIL"
