"""Finished cells of another number of epochs: they are trained anew, and that is said."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

import orchestrator.launch
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Unwatched
from orchestrator.execution.sweep import sweep
from orchestrator.fingerprint.code import Code
from orchestrator.home import Home
from orchestrator.planning.planning import plan
from orchestrator.record.conflicts import study_record
from orchestrator.record.delivery import Delivery
from orchestrator.record.describe import describe
from orchestrator.record.journal import Journal
from orchestrator.record.known import Recorded
from orchestrator.record.other_epochs import begun_anew
from orchestrator.record.store import Store
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

MakeStudy = Callable[..., StudySpec]


@pytest.fixture
def of_epochs(make_study: MakeStudy, make_mapping: Callable[..., Any]) -> Callable[..., StudySpec]:
    """The study with other values of its base, as `--set` makes it."""

    def make(epochs: int, **more: Any) -> StudySpec:
        base = make_mapping()["base"] | {"epochs": epochs} | more
        overrides = (f"base.epochs={epochs}",) if epochs != 2 else ()
        return replace(make_study(base=base), variant=Variant(overrides=overrides))

    return make


def _finish(journal: Journal, study: StudySpec, num: int, state: State = State.FINISHED) -> None:
    journal.begin_study(study_record(study))
    for cell in study.trials[:num]:
        description = describe(cell, study, tags={})
        journal.begin(description)
        journal.end(description.cell, state, {})


def _told(study: StudySpec, journal: Journal, code: Code, store: Store | None = None) -> str:
    recorded = Recorded(study, journal, store, code=code)
    return begun_anew(plan(study, finished=recorded.finished), recorded)


def test_more_epochs_begin_anew_and_say_what_that_costs(
    of_epochs: Callable[..., StudySpec], journal: Journal, code: Code
) -> None:
    _finish(journal, of_epochs(2), 3)
    longer = of_epochs(6)
    epochs = plan(longer).epochs_todo
    assert _told(longer, journal, code) == (
        "cells finished: 3 of 2 epochs; of 6 epochs, they begin anew at the first: "
        f"{epochs} epochs to train"
    )
    _finish(journal, of_epochs(4), 1)
    assert "3 of 2 epochs and 1 of 4 epochs" in _told(longer, journal, code)


def test_nothing_is_said_where_nothing_is_lost(
    of_epochs: Callable[..., StudySpec], journal: Journal, code: Code
) -> None:
    _finish(journal, of_epochs(2), 3, State.FAILED)
    assert _told(of_epochs(6), journal, code) == ""
    _finish(journal, of_epochs(2), 3)
    assert _told(of_epochs(2), journal, code) == ""
    other = of_epochs(6, optimizer={"name": "adam", "lr": 0.5})
    assert _told(other, journal, code) == ""
    scaled = replace(of_epochs(6), variant=Variant(epoch_scale="0.5"))
    assert _told(scaled, journal, code) == ""


@pytest.mark.slow
def test_what_mlflow_has_finished_counts_without_a_journal(
    of_epochs: Callable[..., StudySpec], journal: Journal, code: Code, store: Store
) -> None:
    _finish(journal, of_epochs(2), 3)
    Delivery(journal, store).deliver()
    with_lost = Journal(journal.path.with_name("another.db"))
    assert "3 of 2 epochs" in _told(of_epochs(6), with_lost, code, store)
    with_lost.close()


def test_a_sweep_says_so_before_it_trains(
    of_epochs: Callable[..., StudySpec],
    journal: Journal,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class TrainsError(Exception):
        """Training would begin now."""

    class Watcher(Unwatched):
        def cell_noted(self, name: str, *, note: str) -> None:
            told.append((name, note))

        def began(self, progress: object, board: object) -> None:
            raise TrainsError

    told: list[tuple[str, str]] = []
    _finish(journal, of_epochs(2), 3)
    names = vars(orchestrator.launch)
    monkeypatch.setitem(names, "ray_session", lambda **options: nullcontext())
    with pytest.raises(TrainsError):
        sweep(of_epochs(6), home, SweepOptions(data_dir=home.data_folder()), Watcher())
    [(name, note)] = told
    assert name == "tiny · base.epochs=6"
    assert "3 of 2 epochs; of 6 epochs, they begin anew" in note
