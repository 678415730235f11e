"""Failed cells, as a sweep leaves them."""

from collections.abc import Callable, Mapping

import pytest

from orchestrator import vocabulary
from orchestrator.record.store import Store
from orchestrator.vocabulary import State


@pytest.fixture
def fail(store: Store) -> Callable[[Mapping[str, str]], None]:
    """Lets the cells of these runs fail."""

    def end(runs: Mapping[str, str]) -> None:
        for run_id in runs.values():
            reason = "the loss is not finite in epoch 2"
            store.set_state(run_id, State.FAILED, {vocabulary.REASON: reason})
            store.log_text(run_id, "the whole traceback", vocabulary.FAILURE_ARTIFACT)

    return end


@pytest.fixture(autouse=True)
def _asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was read is kept for a moment."""
    monkeypatch.setattr("dashboards.page.source.FRESH_S", 0.0)
    monkeypatch.setattr("dashboards.page.watched.FRESH_S", 0.0)
    monkeypatch.setattr("dashboards.page.watched.RESTING_S", 0.0)
    monkeypatch.setattr("dashboards.page.watched.SHARE", 0.0)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine shows no progress."""
    monkeypatch.setattr("dashboards.page.watched.PATIENCE_S", 60.0)
