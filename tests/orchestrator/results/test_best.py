"""Which cell is the best of a study."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dashboards.runs import NoResultsError, StudyRuns
from orchestrator.mlflow_reader.cells import OBJECTIVE, RecordedCell
from orchestrator.results.best import best_cell

FLOAT = "float"
WIDE = {"name": "mlp", "widths": [64, 16, 16, 10]}


def _cell(row: str, order: list[str], error: float, *, model: Mapping[str, Any] = WIDE) -> Any:
    trial = {
        "model": dict(model),
        "data": {"name": "digits"},
        "layers": {"order": order, "epochs_per_layer": 1},
        "optimizer": {"name": "adam", "lr": 0.01},
        "epochs": 4,
        "seed": 1,
    }
    return RecordedCell(
        run_id=f"{row} {error}",
        labels={"order": row, "seed": "1"},
        metrics={OBJECTIVE: error},
        train=json.dumps(trial),
    )


def _runs(*cells: RecordedCell) -> StudyRuns:
    return StudyRuns(
        study="mine",
        title="mine",
        experiment_id="1",
        run_id="p",
        tags={"bnn.matrix.rows": "order"},
        cells=cells,
        is_asked=True,
    )


def test_a_control_in_full_precision_is_not_the_best_cell() -> None:
    runs = _runs(
        _cell(FLOAT, [], 0.01),
        _cell("one layer", ["fc2"], 0.02),
        _cell("forward", ["fc1", "fc2", "fc3"], 0.05),
        _cell("reverse", ["fc3", "fc2", "fc1"], 0.04),
    )
    assert best_cell(runs).run_id == "reverse 0.04"


def test_each_network_has_its_own_number_of_layers() -> None:
    small = {"name": "mlp", "widths": [64, 16, 10]}
    runs = _runs(
        _cell("forward", ["fc1", "fc2", "fc3"], 0.05),
        _cell("small", ["fc1", "fc2"], 0.03, model=small),
        _cell("small float", [], 0.01, model=small),
    )
    assert best_cell(runs).run_id == "small 0.03"


def test_a_study_without_binary_layers_has_a_best_cell_too() -> None:
    runs = _runs(_cell("a", [], 0.02), _cell("b", [], 0.01))
    assert best_cell(runs).run_id == "b 0.01"


def test_a_trial_that_cannot_be_read_counts_as_real() -> None:
    odd = RecordedCell(run_id="odd", metrics={OBJECTIVE: 0.0}, train='{"model": 3}')
    assert best_cell(_runs(odd, _cell("forward", ["fc1"], 0.5))).run_id == "forward 0.5"


def test_a_row_is_taken_as_it_is() -> None:
    runs = _runs(
        _cell(FLOAT, [], 0.02), _cell(FLOAT, [], 0.01), _cell("forward", ["fc1", "fc2"], 0.05)
    )
    assert best_cell(runs, FLOAT).run_id == "float 0.01"


def test_what_is_preferred_goes_first() -> None:
    runs = _runs(_cell("forward", ["fc1"], 0.1), _cell("reverse", ["fc2"], 0.2))
    best = best_cell(runs, prefers=lambda trial: trial["layers"]["order"] == ["fc2"])
    assert best.run_id == "reverse 0.2"


def test_a_row_that_is_not_there_is_refused_with_the_nearest() -> None:
    runs = _runs(_cell("forward", ["fc1"], 0.1), _cell("reverse", ["fc2"], 0.2))
    told = "no cell of the row 'forwrad' of mine is finished, did you mean 'forward'.; finished: f"
    with pytest.raises(NoResultsError, match=told):
        best_cell(runs, "forwrad")


def test_cells_without_a_validation_error_are_no_candidates() -> None:
    with pytest.raises(NoResultsError, match="has the metric 'selected/validation_error'"):
        best_cell(_runs(RecordedCell(run_id="stopped", metrics={})))
