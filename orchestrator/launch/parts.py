"""Builds Ray Tune's searchers and schedulers from those of a study."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search import ConcurrencyLimiter, SearchAlgorithm
from ray.tune.search import Searcher as TuneSearcher

from orchestrator import vocabulary
from orchestrator.launch.draws import CheckedDraws, Draws, RandomDraws
from orchestrator.launch.report import EpochReport, GivenBack
from orchestrator.launch.slots import Slots
from orchestrator.planning.sharing import Beginnings
from orchestrator.study.axes import Axis
from orchestrator.study.search import (
    AshaScheduler,
    MedianScheduler,
    OptunaSearch,
    RandomSearch,
    Scheduler,
    Searcher,
)

NUM_SEEDS = 2**32
"""Different seeds of a sampler; larger ones of a study begin again at 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """How a search draws configurations.

    Args:
        axes: The searched axes.
        searcher: The study's searcher.
        num_samples: Number of trials that remain to draw.
        known: Configurations measured earlier, with their objectives.
        draws: Decides which draws are trained; None: all of them.
    """

    axes: Sequence[Axis]
    searcher: Searcher
    num_samples: int
    known: Sequence[tuple[Mapping[str, Any], float]] = ()
    draws: Draws | None = None


class ReadyCells(TuneSearcher):
    """Hands out cells to Tune as they become ready; while none is, Tune asks again.

    Tune pickles it with the experiment. The pickle omits the cells; nothing resumes from it.

    Args:
        beginnings: Knows which cells are ready.
    """

    def __init__(self, beginnings: Beginnings) -> None:
        super().__init__(metric=vocabulary.OBJECTIVE, mode="min")
        self.beginnings = beginnings
        self.keys: dict[str, str] = {}
        self.num_running = 0

    def __getstate__(self) -> dict[str, Any]:
        """Omits the cells, which hold files and locks."""
        return {"keys": {}}

    def suggest(  # type: ignore[override]  # Tune's annotation forgets its own FINISHED
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """The next ready cell and its start; None while none is ready.

        If none is ready and none runs, other sweeps train all remaining cells, so it returns
        FINISHED.
        """
        start = self.beginnings.next()
        if start is None:
            return None if self.num_running else str(self.FINISHED)
        self.num_running += 1
        self.keys[trial_id] = start.key
        return {"cell": start.key, "begins": start.begins, "leaves": list(start.leaves)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passes on a cell's progress."""
        report = EpochReport.from_result(result)
        if report:
            self.beginnings.reported(
                self.keys[trial_id], epoch=report.epoch, available=report.available
            )

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Passes on the end of a cell."""
        self.num_running -= 1
        self.on_trial_result(trial_id, result or {})
        is_finished = bool(result) and not error and GivenBack.from_result(result) is None
        self.beginnings.ended(self.keys[trial_id], finished=is_finished)

    def save(self, checkpoint_path: str) -> None:
        """Saves nothing: a sweep resumes from the recorded results."""


def search_parts(search: Search) -> tuple[dict[str, Any], SearchAlgorithm | TuneSearcher]:
    """Tune's search space and searcher; the space is empty if the searcher holds its own."""
    space: dict[str, Any] = {}
    for axis in search.axes:
        if axis.domain is None:
            space[axis.name] = tune.choice(list(axis.points))
        elif axis.domain.integer:
            draw = tune.lograndint if axis.domain.log else tune.randint
            # Tune excludes the upper bound.
            space[axis.name] = draw(int(axis.domain.low), int(axis.domain.high) + 1)
        else:
            draw = tune.loguniform if axis.domain.log else tune.uniform
            space[axis.name] = draw(axis.domain.low, axis.domain.high)
    # A resumed search must not draw its first points again. Optuna's sampler takes 32 bits.
    seed = (search.searcher.seed + len(search.known)) % NUM_SEEDS
    if isinstance(search.searcher, RandomSearch):
        return space, _Variants(random_state=seed)
    assert isinstance(search.searcher, OptunaSearch)
    # Imported here, because workers import this module but do not need Optuna.
    import optuna
    from ray.tune.search.optuna import OptunaSearch as TuneOptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options: dict[str, Any] = {}
    if search.known:
        # With earlier points, Tune requires the space in Optuna's own form.
        options = {
            "space": TuneOptunaSearch.convert_search_space(space),
            "points_to_evaluate": [dict(config) for config, _ in search.known],
            "evaluated_rewards": [value for _, value in search.known],
        }
        space = {}
    return space, TuneOptunaSearch(metric=vocabulary.OBJECTIVE, mode="min", seed=seed, **options)


@dataclass(slots=True)
class StopRequest:
    """A request to stop: running trials finish their epoch, and no new trial starts."""

    is_made: bool = False


def checked(
    algorithm: SearchAlgorithm | TuneSearcher, draws: Draws
) -> SearchAlgorithm | TuneSearcher:
    """Lets `draws` decide which draws of the algorithm become trials."""
    if isinstance(algorithm, RandomDraws):
        algorithm.draws = draws
        return algorithm
    assert isinstance(algorithm, TuneSearcher)
    return CheckedDraws(algorithm, draws)


class _Variants(RandomDraws):
    """Tune's random search in the slots that there are, until a stop is requested."""

    stop = StopRequest()
    slots: Slots | None = None
    """None: any number at once."""

    def next_trial(self) -> Any:
        """The next trial; None if there is none now."""
        if self.slots is not None:
            self.max_concurrent = self.slots.num
        return super().next_trial()

    def is_finished(self) -> bool:
        """Whether no more trials are drawn."""
        return self.stop.is_made or super().is_finished()


class _Limiter(ConcurrencyLimiter):
    """Limits the trials of a searcher that run at once, until a stop or until slots drain."""

    stop = StopRequest()
    slots: Slots

    def suggest(  # type: ignore[override]  # Tune's annotation forgets its own FINISHED
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """The searcher's next configuration, if a slot is free."""
        if self.stop.is_made or self.slots.is_draining:
            return str(self.FINISHED)
        self.max_concurrent = self.slots.num
        found: dict[str, Any] | str | None = super().suggest(trial_id)
        return found


def limited(
    algorithm: SearchAlgorithm | TuneSearcher, *, slots: Slots, stop: StopRequest
) -> SearchAlgorithm | TuneSearcher:
    """Limits the algorithm to as many trials as there are slots, and to none after a stop request.

    The slots are looked at whenever Tune asks for a trial.
    Tune's own setting works for searchers only; Tune silently ignores it for a grid.
    """
    if isinstance(algorithm, _Variants):
        algorithm.slots, algorithm.stop = slots, stop
        algorithm.max_concurrent = slots.num
        return algorithm
    assert isinstance(algorithm, TuneSearcher)
    limiter = _Limiter(algorithm, max_concurrent=slots.num)
    limiter.slots, limiter.stop = slots, stop
    return limiter


class _FirstWaiting:
    """Chooses the first trial that waits, among those that have not ended.

    Tune's own (2.60) look at all trials in each step of the loop, twice: with 5,000 cells, two
    thirds of the driver's time.
    """

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """The first trial that waits for a worker; None if there is none."""
        live: Collection[Trial] = tune_controller.get_live_trials()
        for status in (Trial.PENDING, Trial.PAUSED):
            waiting = [trial for trial in live if trial.status == status]
            if waiting:
                return min(waiting, key=lambda trial: str(trial.trial_id))
        return None


class _Fifo(_FirstWaiting, FIFOScheduler):
    """Trains every trial to its end."""


class _Asha(_FirstWaiting, ASHAScheduler):
    """Stops trials that are behind at a rung."""


class _Median(_FirstWaiting, MedianStoppingRule):
    """Stops trials that are worse than the median."""


def tune_scheduler(scheduler: Scheduler | None, *, max_epochs: int) -> TrialScheduler:
    """Tune's scheduler for a study's scheduler; None: every trial trains all its epochs."""
    if isinstance(scheduler, AshaScheduler):
        return _Asha(
            time_attr="epoch",
            max_t=max_epochs,
            grace_period=min(scheduler.grace_period, max_epochs),
            reduction_factor=scheduler.reduction_factor,
        )
    if isinstance(scheduler, MedianScheduler):
        return _Median(
            time_attr="epoch",
            grace_period=scheduler.grace_period,
            min_samples_required=scheduler.min_samples,
        )
    return _Fifo()  # type: ignore[no-untyped-call]
