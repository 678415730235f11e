"""A study, and an MLflow store to record some of its cells in."""

import copy
import json
import math
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dashboards.runs import StudyRuns
from orchestrator.home import Home
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.record.conflicts import parent_tags, study_record
from orchestrator.record.describe import describe
from orchestrator.record.entries import Point
from orchestrator.record.store import Store
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

STUDY: dict[str, Any] = {
    "study": "tiny",
    "question": "Does the order matter to two layers?",
    "base": {
        "model": {"name": "mlp", "widths": [64, 8, 10]},
        "data": {"name": "digits", "batch_size": 64},
        "optimizer": {"name": "adam", "lr": 0.01},
        "layers": {"order": ["fc1", "fc2"], "epochs_per_layer": 1},
        "epochs": 20,
    },
    "axes": [
        {
            "name": "order",
            "sets": "layers.order",
            "permutations": "all",
            "controls": ["float"],
        },
        {"name": "seed", "seeds": [1, 2, 10]},
    ],
    "metric": {"name": "selected/test_error"},
    "matrix": {"rows": "order", "over": "seed", "also": ["last/test_error"]},
}


@pytest.fixture(autouse=True)
def _a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BNN_HOME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def make_study() -> Callable[..., StudySpec]:
    def make(**changes: Any) -> StudySpec:
        return StudySpec.from_mapping(copy.deepcopy(STUDY) | changes)

    return make


@pytest.fixture
def study(make_study: Callable[..., StudySpec]) -> StudySpec:
    return make_study()


@pytest.fixture
def home(tmp_path: Path, empty_database: Path) -> Home:
    home = Home.at(tmp_path / "home")
    home.root.mkdir()
    assert home.database is not None
    with sqlite3.connect(empty_database) as source, sqlite3.connect(home.database) as target:
        source.backup(target)
    return home


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


@pytest.fixture
def record(store: Store) -> Callable[..., dict[str, str]]:
    """Records cells of a study as a sweep would; returns their runs by name.

    `values` has the labels of a cell as its keys, joined by spaces, and what `_summary` is of.
    """

    def fill(
        study: StudySpec,
        values: Mapping[str, float],
        *,
        state: State = State.FINISHED,
    ) -> dict[str, str]:
        ids = store.open_study(study_record(study))
        # MLflow orders runs by the millisecond in which they began.
        time.sleep(0.002)
        runs: dict[str, str] = {}
        for cell in expand(study):
            name = " ".join(cell.labels.values())
            if name not in values:
                continue
            runs[name] = store.create_cell(describe(cell, study, tags={}), ids)
            error = values[name]
            points = [Point(key, 1, value, 1000) for key, value in _summary(error).items()]
            curve = [Point("test/error", step, error + 1 - step, 1000) for step in (0, 1)]
            store.log_points(runs[name], [*points, *curve])
            if state != State.RUNNING:
                store.set_state(runs[name], state, {})
        assert len(runs) == len(values)
        return runs

    return fill


def _summary(error: float) -> dict[str, float]:
    """Of a cell with that error on the test images in its selected epoch; its last is worse."""
    return {
        "selected/test_error": error,
        "last/test_error": error + 0.1,
        "selected/test_accuracy": 1 - error,
    }


@pytest.fixture
def make_runs(study: StudySpec) -> Callable[..., StudyRuns]:
    """Finished cells as `study_runs` reads them, without a store.

    `values` are as for `record`, in the order in which the cells were recorded; keyword arguments
    replace the study, and tags of its run.
    """

    def make(values: Mapping[str, float], study: StudySpec = study, **tags: str) -> StudyRuns:
        cells = {" ".join(cell.labels.values()): cell for cell in expand(study)}
        return StudyRuns(
            study=study.name,
            title=study.title,
            experiment_id="1",
            run_id="run of the study",
            tags=parent_tags(study) | tags,
            cells=tuple(
                RecordedCell(
                    run_id=f"run of {name}",
                    labels=cells[name].labels,
                    metrics=_summary(error),
                    train=json.dumps(cells[name].train.to_mapping()),
                )
                for name, error in values.items()
            ),
            is_asked=True,
        )

    return make


@pytest.fixture
def matrix() -> pd.DataFrame:
    """As `result_matrix` returns it."""
    nan = math.nan
    frame = pd.DataFrame(
        [
            [0.05, 0.01, 2, 0.04, 0.04, 0.06],
            [0.0312345, nan, 1, 0.0312345, 0.0312345, nan],
            [nan, nan, 0, nan, nan, nan],
        ],
        index=pd.Index(["float", "forward", "reverse"], name="order"),
        columns=["mean", "std", "n", "best", "seed 1", "seed 10"],
    )
    frame.attrs = {
        "title": "tiny · 0.5 of the epochs",
        "metric": "selected/test_error",
        "better": "lower",
        "also": {"last/train_loss": {"float": 1.23456, "forward": nan}},
    }
    return frame
