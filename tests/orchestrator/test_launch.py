"""What is decided before Ray starts, and what Tune is given; no test here starts Ray."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule
from ray.tune.search import BasicVariantGenerator
from ray.tune.search.optuna import OptunaSearch as TuneOptunaSearch
from ray.tune.search.sample import Categorical, Domain, Float, Integer

from orchestrator import launch
from orchestrator.axes import Axis, read_axis
from orchestrator.launch import ResourceError, Resources, Search, num_slots, this_machine
from orchestrator.search import AshaScheduler, MedianScheduler, OptunaSearch, RandomSearch

ONE_NODE: list[Mapping[str, float]] = [{"CPU": 8, "GPU": 2}]


@pytest.mark.parametrize(
    ("resources", "slots"),
    [
        (Resources(), 8),
        (Resources(cpus=3), 2),
        (Resources(cpus=0.5), 16),
        (Resources(gpus=1), 2),
        (Resources(gpus=0.25), 8),
        (Resources(cpus=4, gpus=1), 2),
        (Resources(concurrency=3), 3),
        (Resources(concurrency=100), 8),
    ],
)
def test_as_many_trials_run_as_fit(resources: Resources, slots: int) -> None:
    assert num_slots(resources, ONE_NODE) == slots


def test_trials_do_not_reach_over_two_nodes() -> None:
    assert num_slots(Resources(cpus=3), [{"CPU": 4}, {"CPU": 4}, {"CPU": 2}]) == 2


@pytest.mark.parametrize(
    ("resources", "nodes", "texts"),
    [
        (Resources(cpus=9), ONE_NODE, ["9 CPUs", "more than 8", "lower --cpus-per-trial"]),
        (Resources(gpus=3), ONE_NODE, ["3 GPUs", "more than 2", "lower --gpus-per-trial"]),
        (Resources(gpus=0.5), [{"CPU": 4}], ["0.5 GPUs", "more than 0"]),
        (Resources(), [], ["1 CPUs", "more than 0"]),
        (
            Resources(cpus=4, gpus=1),
            [{"CPU": 8}, {"CPU": 2, "GPU": 4}],
            ["no node has 4 CPUs and 1 GPUs together"],
        ),
    ],
)
def test_a_trial_that_fits_nowhere_is_refused(
    resources: Resources, nodes: list[Mapping[str, float]], texts: list[str]
) -> None:
    with pytest.raises(ResourceError, match=r"lower --[cg]pus-per-trial") as raised:
        num_slots(resources, nodes)
    for text in texts:
        assert text in str(raised.value)


def test_this_machine_is_one_node_with_a_cpu() -> None:
    [node] = this_machine()
    assert node["CPU"] >= 1
    assert node["GPU"] >= 0
    assert num_slots(Resources(), [node]) == node["CPU"]


def test_asha_counts_epochs_and_stops_at_the_longest_trial() -> None:
    record = AshaScheduler(grace_period=7, reduction_factor=3)
    made = launch._scheduler(record, max_epochs=100)
    assert isinstance(made, ASHAScheduler)
    assert made._time_attr == "epoch"
    assert made._max_t == 100
    assert made._reduction_factor == 3
    # Each rung is a number of epochs, with what was recorded there.
    assert min(rung[0] for rung in made._brackets[0]._rungs) == 7


def test_a_grace_period_beyond_the_last_epoch_is_cut() -> None:
    made = launch._scheduler(AshaScheduler(grace_period=50), max_epochs=9)
    assert isinstance(made, ASHAScheduler)
    assert made._max_t == 9


def test_the_median_rule_counts_epochs() -> None:
    made = launch._scheduler(MedianScheduler(grace_period=5, min_samples=4), max_epochs=9)
    assert isinstance(made, MedianStoppingRule)
    assert made._time_attr == "epoch"
    assert made._grace_period == 5
    assert made._min_samples_required == 4


def test_without_a_scheduler_no_trial_is_stopped() -> None:
    assert type(launch._scheduler(None, max_epochs=9)) is FIFOScheduler


def _axis(**entry: Any) -> Axis:
    return read_axis({"name": "x", "sets": "epochs", **entry}, layers=())


def _space(axis: Axis, searcher: Any = None) -> Domain:
    search = Search(axes=[axis], searcher=searcher or RandomSearch(num_samples=3), num_samples=3)
    space, _ = launch._search_parts(search)
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


def _drawn(seed: int) -> list[float]:
    axes = [_axis(range={"low": 0, "high": 1})]
    searcher = RandomSearch(num_samples=3, seed=seed)
    space, algorithm = launch._search_parts(Search(axes=axes, searcher=searcher, num_samples=3))
    assert isinstance(algorithm, BasicVariantGenerator)
    return [space["x"].sample(random_state=algorithm._random_state) for _ in range(3)]


def test_a_random_search_draws_the_same_points_for_the_same_seed() -> None:
    assert _drawn(5) == _drawn(5)
    assert _drawn(5) != _drawn(6)


def _optuna(known: Any = ()) -> tuple[dict[str, Any], Any]:
    axes = [_axis(range={"low": 0.001, "high": 1, "log": True})]
    searcher = OptunaSearch(num_samples=3, seed=5)
    return launch._search_parts(Search(axes=axes, searcher=searcher, num_samples=3, known=known))


def test_optuna_draws_from_the_space_of_the_axes() -> None:
    space, algorithm = _optuna()
    assert isinstance(space["x"], Float)
    assert isinstance(algorithm, TuneOptunaSearch)
    assert (algorithm.metric, algorithm.mode) == ("objective", "min")


def test_optuna_is_told_what_was_measured_before() -> None:
    space, algorithm = _optuna(known=[({"x": 0.5}, 0.25), ({"x": 0.01}, 0.125)])
    assert space == {}
    trials = algorithm._ot_study.trials
    assert [(trial.params["x"], trial.value) for trial in trials] == [(0.5, 0.25), (0.01, 0.125)]
    drawn = algorithm.suggest("one")
    assert 0.001 <= drawn["x"] <= 1


@pytest.fixture
def dead_pid() -> int:
    """Beyond the largest number that Linux gives to a process."""
    return 2**22 + 1


def test_a_session_has_a_short_folder_and_those_of_dead_drivers_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dead_pid: int
) -> None:
    monkeypatch.setattr(launch, "LONGEST_RAY_FOLDER", len(str(tmp_path)) + 10)
    left = tmp_path / "ray" / f"bnn{dead_pid}-abc"
    other = tmp_path / "ray" / "something-else"
    for folder in (left, other):
        folder.mkdir(parents=True)
    session = launch._embedded_folder(tmp_path / "ray")
    assert session.is_dir()
    assert session.parent == tmp_path / "ray"
    assert not left.exists()
    assert other.exists()
    # Its own driver lives, so the next one leaves it alone.
    launch._embedded_folder(tmp_path / "ray")
    assert session.exists()


def test_a_session_of_a_home_too_deep_for_sockets_lies_in_the_systems_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launch, "LONGEST_RAY_FOLDER", 5)
    monkeypatch.setattr(launch.tempfile, "tempdir", str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    session = launch._embedded_folder(tmp_path / "home" / "ray")
    assert session.parent == tmp_path / "system"


class _Trial:
    """As much of a trial of Tune as is looked at."""

    def __init__(self, error: object) -> None:
        self.config = {"cell": "a"}
        self.error = error

    def get_pickled_error(self) -> object:
        return self.error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, "unknown reason"),
        (ValueError("one\ntwo"), "two"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_failure_is_told_in_one_line(error: object, reason: str) -> None:
    assert launch._failure(_Trial(error))[0] == reason


def test_the_cause_of_a_failure_is_told_rather_than_its_wrapping() -> None:
    error = RuntimeError("wrapped\nand wrapped again")
    error.cause = ZeroDivisionError("by zero\nmore")  # type: ignore[attr-defined]
    reason, details = launch._failure(_Trial(error))
    assert reason == "ZeroDivisionError: by zero"
    assert "wrapped again" in details


class _Listener:
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        def tell(*arguments: Any, **more: Any) -> None:
            self.told.append((name, *arguments, *more.values()))

        return tell


class _Work:
    def key(self, config: Mapping[str, Any]) -> str:
        return f"key of {config['cell']}"


def test_tunes_events_reach_the_listener_under_the_key_of_the_cell() -> None:
    listener = _Listener()
    bridge = launch._Bridge(cast(Any, listener), cast(Any, _Work()))
    trial, report = _Trial(ValueError("why")), {"points": [], "epoch": 1}
    bridge.on_trial_start(1, [], trial)
    bridge.on_trial_result(1, [], trial, report)
    bridge.on_trial_result(1, [], trial, {"done": True})
    bridge.on_trial_recover(1, [], trial)
    bridge.on_trial_error(1, [], trial)
    bridge.on_trial_complete(1, [], trial)
    bridge.on_step_end(1, [])
    assert listener.told == [
        ("started", {"cell": "a"}),
        ("reported", "key of a", report),
        ("failed", "key of a", "why", "why", False),
        ("failed", "key of a", "why", "why", True),
        ("ended", "key of a"),
        ("tick",),
    ]
