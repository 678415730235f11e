"""A matrix on the run of its study, where MLflow's users look."""

import csv
import io
import json
import math

import pandas as pd
import pytest

from dashboards.runs import StudyRuns
from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.record.conflicts import study_record
from orchestrator.record.describe import describe
from orchestrator.record.store import Store
from orchestrator.results.publish import (
    note_look,
    publish_matrix,
    publish_note,
    publish_view,
    with_percent,
)
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec

pytestmark = pytest.mark.slow


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


@pytest.fixture
def matrix(store: Store, study: StudySpec) -> pd.DataFrame:
    run_id = store.open_study(study_record(study)).run
    records = [[0.25, 0.05, 2, 0.2, 0.2, 0.3], [0.5, math.nan, 1, 0.5, 0.5, math.nan]]
    frame = pd.DataFrame(
        records,
        index=pd.Index(["forward", "lr=0.1 (µ)"], name="order"),
        columns=["mean", "std", "n", "best", "seed 1", "seed 2"],
    )
    frame.attrs = {
        "run_id": run_id, "better": "lower", "metric": "last/test_error", "title": "t", "also": {},
    }  # fmt: skip
    return frame


def test_rows_that_look_like_paths_or_never_end_are_metrics_too(
    store: Store, matrix: pd.DataFrame
) -> None:
    matrix.index = pd.Index(["../../x", "y" * 3000], name="order")
    publish_matrix(store, matrix)
    metrics = store.client.get_run(matrix.attrs["run_id"]).data.metrics
    assert metrics["matrix/_/_/x"] == 0.25
    assert metrics[f"matrix/{'y' * 200}"] == 0.5


def test_means_of_rows_are_metrics_of_the_study(store: Store, matrix: pd.DataFrame) -> None:
    publish_matrix(store, matrix)
    metrics = store.client.get_run(matrix.attrs["run_id"]).data.metrics
    assert metrics == {
        "matrix/forward": 0.25,
        "matrix/lr_0.1 _µ_": 0.5,
        "cells/finished": 3.0,
        "matrix/best": 0.25,
    }


def test_the_best_is_the_highest_where_higher_is_better(
    store: Store, matrix: pd.DataFrame
) -> None:
    matrix.attrs["better"] = "higher"
    publish_matrix(store, matrix)
    metrics = store.client.get_run(matrix.attrs["run_id"]).data.metrics
    assert metrics["matrix/best"] == 0.5


def test_a_matrix_published_again_follows_the_earlier_one(
    store: Store, matrix: pd.DataFrame
) -> None:
    publish_matrix(store, matrix)
    matrix.loc["forward", "mean"] = 0.125
    publish_matrix(store, matrix)
    metrics = store.client.get_run(matrix.attrs["run_id"]).data.metrics
    assert metrics["matrix/forward"] == metrics["matrix/best"] == 0.125


def test_the_matrix_is_there_as_csv_json_and_markdown(
    store: Store, home: Home, matrix: pd.DataFrame
) -> None:
    publish_matrix(store, matrix)
    files = {path.name: path.read_text() for path in home.artifacts.rglob("matrix.*")}
    assert set(files) == {"matrix.csv", "matrix.json", "matrix.md"}
    rows = list(csv.DictReader(io.StringIO(files["matrix.csv"])))
    assert [(row["order"], float(row["mean"])) for row in rows] == [
        ("forward", 0.25),
        ("lr=0.1 (µ)", 0.5),
    ]
    assert json.loads(files["matrix.json"])["index"] == ["forward", "lr=0.1 (µ)"]
    assert "| forward | 25.00 ± 5.00 | 2 |" in files["matrix.md"]


def _files(home: Home, stem: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in home.artifacts.rglob(f"{stem}*")}


def test_the_view_of_a_study_is_kept_on_its_experiment(store: Store, study: StudySpec) -> None:
    ids = store.open_study(study_record(study))
    experiment_id, run_id = ids.experiment, ids.run
    labels = {"order": "forward", "seed": "1"}
    runs = StudyRuns(
        study="tiny",
        title="tiny",
        experiment_id=experiment_id,
        run_id=run_id,
        tags={
            vocabulary.VARIANT: study.variant_id,
            vocabulary.METRIC_NAME: "last/test_error",
            vocabulary.METRIC_BETTER: "lower",
            vocabulary.ROWS_AXIS: "order",
        },
        cells=(RecordedCell(run_id="r", labels=labels, metrics={"near_zero/fc1": 0.5}),),
        is_asked=True,
    )
    view = publish_view(store, runs)
    assert publish_view(store, runs) == view
    tags = store.client.get_experiment(experiment_id).tags
    assert json.loads(tags[view.tag])["state"].startswith("deflate;")


def test_rows_that_would_have_the_same_metric_have_two(store: Store, matrix: pd.DataFrame) -> None:
    rows = ["a%b", "a+b", "best", "y" * 300 + "1", "y" * 300 + "2"]
    attrs = matrix.attrs
    matrix = pd.DataFrame(
        [[0.1 * n, 0.0, 1, 0.1 * n] for n in range(1, 6)],
        index=pd.Index(rows, name="order"),
        columns=["mean", "std", "n", "best"],
    )
    matrix.attrs = attrs
    publish_matrix(store, matrix)
    metrics = store.client.get_run(attrs["run_id"]).data.metrics
    assert metrics.pop("matrix/best") == pytest.approx(0.1)
    found = sorted(value for key, value in metrics.items() if key.startswith("matrix/"))
    assert found == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])


def test_verdicts_that_were_given_are_noted(store: Store, matrix: pd.DataFrame) -> None:
    run = matrix.attrs["run_id"]
    columns = [*matrix.columns[:4], *(f"seed {number}" for number in range(3))]
    values = [[0] * 4 + [0.5, 0.6, 0.8], [0] * 4 + [0.5, 0.5, 0.5]]
    whole = pd.DataFrame(values, index=matrix.index, columns=columns)
    more = {"control": "forward", "controls": ["forward"], "margin": None, "planned": 4}
    whole.attrs = matrix.attrs | more

    def noted() -> str | None:
        tags = store.tags_of(run)
        runs = StudyRuns(
            study="t", title="t", experiment_id="1", run_id=run, tags=tags, cells=(), is_asked=True
        )
        note_look(store, whole, runs)
        return store.tags_of(run).get(vocabulary.LOOKS)

    assert noted() is None
    whole.attrs["planned"] = 3
    assert [noted(), noted()] == ["[3]", "[3]"]
    whole.attrs["planned"] = 2
    assert noted() == "[2, 3]"


def _runs_of(store: Store, study: StudySpec, cells: tuple[RecordedCell, ...] = ()) -> StudyRuns:
    ids = store.open_study(study_record(study))
    return StudyRuns(
        study="t",
        title="t",
        experiment_id=ids.experiment,
        run_id=ids.run,
        tags=store.tags_of(ids.run),
        cells=cells,
        is_asked=True,
    )


def test_the_note_of_the_experiment_holds_the_matrix(
    store: Store, matrix: pd.DataFrame, study: StudySpec
) -> None:
    runs = _runs_of(store, study)

    def note() -> str:
        publish_note(store, matrix, runs)
        return str(store.client.get_experiment(runs.experiment_id).tags["mlflow.note.content"])

    assert note().splitlines()[0] == study.question
    assert "| forward | 25.00 ± 5.00 | 2 |" in note()
    matrix.loc["forward", "mean"] = 0.5
    assert "| forward | 50.00 ± 5.00 | 2 |" in note()
    store.set_experiment_tag(runs.experiment_id, "mlflow.note.content", "My own words.")
    assert note() == "My own words."


def test_cells_of_an_earlier_version_get_their_errors_in_percent(
    store: Store, study: StudySpec
) -> None:
    ids = store.open_study(study_record(study))
    run = store.create_cell(describe(expand(study)[0], study, tags={}), ids)
    store.log_values(run, {"selected/test_error": 0.25}, 5)
    cell = RecordedCell(run_id=run, metrics={"selected/test_error": 0.25})
    done = with_percent(store, _runs_of(store, study, (cell,)))
    assert done.cells[0].metrics["selected/test_error_percent"] == 25.0
    assert store.client.get_run(run).data.metrics == done.cells[0].metrics
    assert with_percent(store, done) == done
