"""How long the end of a sweep waits for MLflow."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.execution.drain import DRAIN_S, LONGEST_DRAIN_S, SILENT_S, drained
from orchestrator.record.delivery import Delivery


@pytest.mark.parametrize(
    ("has_delivered", "is_embedded", "is_over", "within_s", "expected"),
    [
        (True, False, True, DRAIN_S, (DRAIN_S, LONGEST_DRAIN_S)),
        (False, True, True, DRAIN_S, (DRAIN_S, LONGEST_DRAIN_S)),
        (False, False, True, DRAIN_S, (SILENT_S, LONGEST_DRAIN_S)),
        (True, False, False, DRAIN_S, (DRAIN_S, None)),
        (True, False, False, 8.0, (8.0, None)),
        (False, False, False, 8.0, (SILENT_S, None)),
    ],
)
def test_it_waits_longest_for_a_store_that_answers_at_the_end_of_a_study(
    has_delivered: bool,
    is_embedded: bool,
    is_over: bool,
    within_s: float,
    expected: tuple[float, float | None],
) -> None:
    seen: list[Any] = []

    def close(*, within_s: float, at_most_s: float | None) -> bool:
        seen.append((within_s, at_most_s))
        return True

    delivery = cast(Delivery, SimpleNamespace(has_delivered=has_delivered, close=close))
    assert drained(delivery, is_embedded=is_embedded, is_over=is_over, within_s=within_s)
    assert seen == [expected]
