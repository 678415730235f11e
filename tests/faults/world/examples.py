"""Examples that hypothesis draws: as many as the form of the tests asks for, from its seed."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings

from world.scale import SEED


def fuzz(examples: int) -> Callable[[Any], Any]:
    """Hypothesis with our seed, and that many examples."""

    def decorate(function: Any) -> Any:
        ready = settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # Shrinking a hang takes hours; the seed gives the same case again.
            phases=(Phase.explicit, Phase.generate),
        )(function)
        return seed(SEED)(ready)

    return decorate
