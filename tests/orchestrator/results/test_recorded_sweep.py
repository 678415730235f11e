"""A sweep with its matrix, as a program or a notebook calls it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import orchestrator
from orchestrator import vocabulary
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Outcome, Unwatched
from orchestrator.home import Home
from orchestrator.planning.planning import plan
from orchestrator.results import recorded_sweep as module
from orchestrator.results.recorded_sweep import recorded_sweep
from orchestrator.study.catalog import StudyError
from orchestrator.study.spec import StudySpec

OPTIONS = SweepOptions(data_dir=Path("/data"))
Record = Callable[..., Any]


class Watched(Unwatched):
    """Counts how often it is told that training is over."""

    num_stopped = 0

    def stopped(self) -> None:
        self.num_stopped += 1


@pytest.fixture
def ends(study: StudySpec, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Lets training end at once, like this; returns what it was called with."""
    calls: list[Any] = []

    def end(error: Exception | None = None, **outcome: Any) -> list[Any]:
        def trained(*arguments: object) -> Outcome:
            calls.append(arguments)
            if error is not None:
                raise error
            return Outcome(plan=plan(study), **outcome)

        monkeypatch.setattr(module, "train_what_is_left", trained)
        return calls

    return end


@pytest.mark.slow
def test_the_matrix_is_shown_then_recorded(
    ends: Callable[..., Any], record: Record, study: StudySpec, home: Home
) -> None:
    record(study, {"float 1": 0.25})
    ends(num_finished=1)
    shown: list[pd.DataFrame | None] = []
    result = recorded_sweep(study, home, OPTIONS, Unwatched(), show=shown.append)
    assert result.matrix is not None
    assert shown[0] is result.matrix
    assert result.matrix["mean"]["float"] == 0.25
    stem = vocabulary.MATRIX_ARTIFACT
    assert len(list(home.artifacts.rglob(f"{stem}.csv"))) == 1


@pytest.mark.slow
def test_without_a_finished_cell_there_is_no_matrix(
    ends: Callable[..., Any], study: StudySpec, home: Home
) -> None:
    ends()
    shown: list[pd.DataFrame | None] = []
    result = recorded_sweep(study, home, OPTIONS, Unwatched(), show=shown.append)
    assert (result.matrix, shown) == (None, [None])


def test_while_mlflow_lacks_results_no_matrix_is_made(
    ends: Callable[..., Any], study: StudySpec, home: Home
) -> None:
    ends(num_undelivered=1)
    shown: list[pd.DataFrame | None] = []
    result = recorded_sweep(study, home, OPTIONS, Unwatched(), show=shown.append)
    assert (result.matrix, shown) == (None, [])


def test_whoever_watches_learns_of_the_end_also_after_an_error(
    ends: Callable[..., Any], study: StudySpec, home: Home
) -> None:
    ends(RuntimeError("it broke"))
    watched = Watched()
    with pytest.raises(RuntimeError, match="it broke"):
        recorded_sweep(study, home, OPTIONS, watched)
    assert watched.num_stopped == 1


def test_a_program_names_a_study_a_home_and_what_trials_get(
    ends: Callable[..., Any], tmp_path: Path
) -> None:
    calls = ends(num_undelivered=1)
    orchestrator.sweep("digits-orders", home=tmp_path, cpus_per_trial=2, storage="s3://b/c")
    study, home, options, _ = calls[0]
    assert study.name == "digits-orders"
    assert home == Home.at(tmp_path)
    assert (options.resources.cpus, options.storage) == (2, "s3://b/c")
    assert options.data_dir == home.data_folder()


def test_a_study_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="digits-ordres"):
        orchestrator.sweep("digits-ordres", home=tmp_path)
    assert not list(tmp_path.iterdir())
