"""Summaries in percent, for MLflow's pages: their bars show two decimals."""

from collections.abc import Mapping

from orchestrator import vocabulary


def in_percent(values: Mapping[str, float]) -> dict[str, float]:
    """The errors and accuracies among summaries once more, in percent, under names of their own.

    Args:
        values: Summaries, as fractions; these stay what everything is worked out from.
    """
    return {
        vocabulary.PERCENT.format(metric=name): 100 * values[name]
        for name in vocabulary.IN_PERCENT
        if name in values
    }
