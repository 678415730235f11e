"""Ray Tune's own searchers and schedulers, made from what a study says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search import BasicVariantGenerator, ConcurrencyLimiter, SearchAlgorithm
from ray.tune.search import Searcher as TuneSearcher

from orchestrator import vocabulary
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """How configurations are drawn.

    Args:
        axes: The searched axes.
        searcher: Who draws.
        num_samples: How many more.
        known: Configurations measured earlier, with their objectives.
    """

    axes: Sequence[Axis]
    searcher: Searcher
    num_samples: int
    known: Sequence[tuple[Mapping[str, Any], float]] = ()


class ReadyCells(TuneSearcher):
    """Hands out cells as they become ready; Tune asks again when it had none.

    Pickled with the experiment, which nobody goes on from, it leaves the cells out.

    Args:
        beginnings: Who waits for whom.
    """

    def __init__(self, beginnings: Beginnings) -> None:
        super().__init__(metric=vocabulary.OBJECTIVE, mode="min")
        self.beginnings = beginnings
        self.keys: dict[str, str] = {}
        self.num_running = 0

    def __getstate__(self) -> dict[str, Any]:
        """Without the cells, which hold on to files and locks."""
        return {"keys": {}}

    def suggest(  # type: ignore[override]  # Tune's annotation forgets its own FINISHED
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """The next cell, and how it is trained; None while none is ready.

        Where nothing runs that another cell could wait for, all that are left are with other
        sweeps: then this is the end.
        """
        start = self.beginnings.next()
        if start is None:
            return None if self.num_running else str(self.FINISHED)
        self.num_running += 1
        self.keys[trial_id] = start.key
        return {"cell": start.key, "begins": start.begins, "leaves": list(start.leaves)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passes on how far a cell is."""
        if "left" in result:
            self.beginnings.reported(
                self.keys[trial_id], epoch=result["epoch"], left=result["left"]
            )

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Passes on the end of a cell."""
        self.num_running -= 1
        self.on_trial_result(trial_id, result or {})
        self.beginnings.ended(self.keys[trial_id], finished=bool(result) and not error)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: a sweep that goes on begins from what is recorded."""


def search_parts(search: Search) -> tuple[dict[str, Any], SearchAlgorithm | TuneSearcher]:
    """Tune's search space (empty where the searcher brings its own) and its searcher."""
    space: dict[str, Any] = {}
    for axis in search.axes:
        if axis.domain is None:
            space[axis.name] = tune.choice(list(axis.points))
        elif axis.domain.integer:
            draw = tune.lograndint if axis.domain.log else tune.randint
            # Tune leaves the upper end out.
            space[axis.name] = draw(int(axis.domain.low), int(axis.domain.high) + 1)
        else:
            draw = tune.loguniform if axis.domain.log else tune.uniform
            space[axis.name] = draw(axis.domain.low, axis.domain.high)
    # A search that goes on must not draw the points it began with once more.
    seed = search.searcher.seed + len(search.known)
    if isinstance(search.searcher, RandomSearch):
        return space, _Variants(random_state=seed)
    assert isinstance(search.searcher, OptunaSearch)
    # Not for the workers, who import this module too.
    import optuna
    from ray.tune.search.optuna import OptunaSearch as TuneOptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options: dict[str, Any] = {}
    if search.known:
        # With points measured earlier it wants the space in Optuna's own form.
        options = {
            "space": TuneOptunaSearch.convert_search_space(space),
            "points_to_evaluate": [dict(config) for config, _ in search.known],
            "evaluated_rewards": [value for _, value in search.known],
        }
        space = {}
    return space, TuneOptunaSearch(metric=vocabulary.OBJECTIVE, mode="min", seed=seed, **options)


@dataclass(slots=True)
class StopRequest:
    """Somebody's wish that what runs comes to the end of its epoch, and nothing begins."""

    is_made: bool = False


class _Variants(BasicVariantGenerator):
    """Tune's random search, until somebody wishes to stop."""

    stop = StopRequest()

    def is_finished(self) -> bool:
        """Whether nothing more is drawn."""
        return self.stop.is_made or super().is_finished()


class _Limiter(ConcurrencyLimiter):
    """So many trials of a searcher at once, until somebody wishes to stop."""

    stop = StopRequest()

    def suggest(  # type: ignore[override]  # Tune's annotation forgets its own FINISHED
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """What the searcher draws next, if there is room."""
        if self.stop.is_made:
            return str(self.FINISHED)
        found: dict[str, Any] | str | None = super().suggest(trial_id)
        return found


def limited(
    algorithm: SearchAlgorithm | TuneSearcher, *, slots: int, stop: StopRequest
) -> SearchAlgorithm | TuneSearcher:
    """The algorithm, with no more than so many trials at once, and none after a wish to stop.

    Tune's own setting for it counts for searchers only, and is passed over in silence for a grid.
    """
    if isinstance(algorithm, _Variants):
        algorithm.max_concurrent = slots
        algorithm.stop = stop
        return algorithm
    assert isinstance(algorithm, TuneSearcher)
    limiter = _Limiter(algorithm, max_concurrent=slots)
    limiter.stop = stop
    return limiter


def tune_scheduler(scheduler: Scheduler | None, *, max_epochs: int) -> TrialScheduler:
    """Tune's scheduler; one that lets every trial end where a study names none."""
    if isinstance(scheduler, AshaScheduler):
        return ASHAScheduler(
            time_attr="epoch",
            max_t=max_epochs,
            grace_period=min(scheduler.grace_period, max_epochs),
            reduction_factor=scheduler.reduction_factor,
        )
    if isinstance(scheduler, MedianScheduler):
        return MedianStoppingRule(
            time_attr="epoch",
            grace_period=scheduler.grace_period,
            min_samples_required=scheduler.min_samples,
        )
    return FIFOScheduler()  # type: ignore[no-untyped-call]
