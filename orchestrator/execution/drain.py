"""How long the end of a sweep waits for MLflow to take the last results."""

from orchestrator.process.waiting import waiting_for
from orchestrator.record.delivery import Delivery

DRAIN_S = 60.0
"""Seconds that the end of a sweep waits for MLflow; undelivered results stay in the journal."""
LONGEST_DRAIN_S = 600.0
"""The same, if the study is over and MLflow takes one result after the other."""
SILENT_S = 5.0
"""The same, if MLflow never answered during the sweep."""


def drained(
    delivery: Delivery, *, is_embedded: bool, is_over: bool, within_s: float = DRAIN_S
) -> bool:
    """Delivers what remains, as far as there is time; whether that was all.

    Args:
        delivery: Delivers from the journal, and ends.
        is_embedded: The store is a database in the home: never away, only slow on a busy machine.
        is_over: The study is over, so nothing but the rest of its results is waited for.
        within_s: Seconds to wait, at most, unless the study is over.
    """
    may_answer = delivery.has_delivered or is_embedded
    with waiting_for("MLflow to take the last results"):
        return delivery.close(
            within_s=min(within_s, DRAIN_S if may_answer else SILENT_S),
            at_most_s=LONGEST_DRAIN_S if is_over else None,
        )
