"""A study's searchers and schedulers as plain records, from which `launch` builds Ray Tune's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trainers.errors import require_at_least


@dataclass(frozen=True, kw_only=True, slots=True)
class OptunaSearch:
    """Optuna's TPE sampler, through Ray Tune.

    Args:
        num_samples: Number of trials, including those recorded earlier.
        seed: The sampler's seed. If trials run in parallel, the points also depend on which trial
            ends first.

    Source: Akiba et al. 2019, arXiv:1907.10902.
    """

    num_samples: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        require_at_least(self, {"num_samples": 1, "seed": 0})


@dataclass(frozen=True, kw_only=True, slots=True)
class RandomSearch:
    """Independent random draws from the axes, by Ray Tune; the same seed draws the same points.

    Args:
        num_samples: Number of trials.
        seed: Seed of the draws; a resumed search draws new points.
    """

    num_samples: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers."""
        require_at_least(self, {"num_samples": 1, "seed": 0})


@dataclass(frozen=True, kw_only=True, slots=True)
class AshaScheduler:
    """Asynchronous successive halving: stops trials worse than others at the same epoch.

    Args:
        grace_period: Epochs that every trial trains.
        reduction_factor: One in this many of the trials that reach a rung continues.

    Source: Li et al. 2020, arXiv:1810.05934.
    """

    grace_period: int = 1
    reduction_factor: int = 4

    def __post_init__(self) -> None:
        """Checks the numbers."""
        require_at_least(self, {"grace_period": 1, "reduction_factor": 2})


@dataclass(frozen=True, kw_only=True, slots=True)
class MedianScheduler:
    """Stops a trial whose best result is worse than the median of the others' averages.

    Args:
        grace_period: Epochs that every trial trains.
        min_samples: Trials that must reach the same epoch before one is stopped.

    Source: Golovin et al. 2017, Google Vizier.
    """

    grace_period: int = 1
    min_samples: int = 3

    def __post_init__(self) -> None:
        """Checks the numbers."""
        require_at_least(self, {"grace_period": 1, "min_samples": 1})


Searcher = OptunaSearch | RandomSearch
Scheduler = AshaScheduler | MedianScheduler

SEARCHERS: Mapping[str, Callable[..., Searcher]] = {
    "optuna": OptunaSearch,
    "random": RandomSearch,
}
SCHEDULERS: Mapping[str, Callable[..., Scheduler]] = {
    "asha": AshaScheduler,
    "median": MedianScheduler,
}
EPOCH_OPTIONS = frozenset({"grace_period"})
"""Options above that count epochs, so a study's epoch scale applies to them."""
