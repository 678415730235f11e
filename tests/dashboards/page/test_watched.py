"""The first look at a variant, which may take long."""

import threading
from collections.abc import Callable

import pytest

from dashboards.page.watched import StillReadingError, Watched
from dashboards.summary import Summary, Watch
from orchestrator.mlflow_reader.cells import RecordedVariant
from orchestrator.mlflow_reader.recorded_overview import Heard

VARIANT = RecordedVariant(experiment_id="1", run_id="ab", title="tiny", tags={}, started_ms=0)
SUMMARY = Summary(variant=VARIANT, cells=(), version="1")


class Slow(Watch):
    """Reads some cells, and then what it is told to."""

    title = "tiny"

    def __init__(self, end: Callable[[], Summary]) -> None:
        self.end = end
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def look(self, heard: Heard = lambda num, total: None) -> Summary:
        heard(4000, 10_000)
        self.has_begun.set()
        assert self.may_end.wait(60)
        return self.end()


def _fail() -> Summary:
    raise ConnectionError("the store is gone")


def test_who_looks_first_is_told_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(lambda: SUMMARY)
    watched = Watched(slow)
    with monkeypatch.context() as patch:
        patch.setattr("dashboards.page.watched.PATIENCE_S", 0.0)
        with pytest.raises(StillReadingError):
            watched.look()
        assert slow.has_begun.wait(60)
        with pytest.raises(StillReadingError, match="4,000 of 10,000 cells read"):
            watched.look()
    slow.may_end.set()
    watched.patient_until += 60
    assert watched.look() is SUMMARY
    assert watched.look() is SUMMARY


def test_after_a_failure_the_store_is_asked_again() -> None:
    slow = Slow(_fail)
    slow.may_end.set()
    watched = Watched(slow)
    with pytest.raises(ConnectionError, match="gone"):
        watched.look()
    slow.end = lambda: SUMMARY
    assert watched.look() is SUMMARY


@pytest.mark.parametrize(
    ("num", "total", "told"),
    [(1000, 0, "1,000 cells read"), (5, 4, "5 of 5 cells read"), (0, 4, "0 of 4 cells read")],
)
def test_progress_never_passes_the_end(num: int, total: int, told: str) -> None:
    assert str(StillReadingError("tiny", num, total)) == told
