"""Cells one by one: under our names, or those of the code published with BIPROP."""

import io
from dataclasses import replace

import pandas as pd
import pytest

from dashboards.cells_table import cells_csv, cells_table
from dashboards.runs import StudyRuns
from orchestrator.mlflow_reader.cells import RecordedCell

PUBLISHED = [
    "Date Finished", "Base Config", "Current Val Top 1", "Current Val Top 5", "Best Val Top 1",
    "Best Val Top 5", "Best Train Top 1", "Best Train Top 5", "Name", "Seed", "Prune Rate",
    "Learning Rate", "Epochs", "Weight Decay", "Learn BN", "Tune BN", "Bias Only", "Run Directory",
]  # fmt: skip


def _cell(run_id: str, ended_ms: int, **params: str) -> RecordedCell:
    metrics = {
        "last/validation_accuracy": 0.9,
        "validation/top5_accuracy": 0.99,
        "selected/validation_accuracy": 0.9125,
        "selected/validation_top5_accuracy": 0.985,
        "selected/train_accuracy": 0.95,
        "selected/train_top5_accuracy": 0.999,
        "selected/test_accuracy": 0.89,
        "selected/epoch": 7.0,
    }
    return RecordedCell(
        run_id=run_id,
        labels={"network": "conv2", "keep": "0.5"},
        metrics=metrics,
        name="conv2 · keep 0.5",
        params={"seed": "3", "optimizer.lr": "0.1", "epochs": "8", **params},
        ended_ms=ended_ms,
        weights_sha256="abc",
    )


@pytest.fixture
def runs() -> StudyRuns:
    later = _cell("later", 86_400_000, **{"weights.keep": "0.5", "batch_norm.learn": "bias"})
    return StudyRuns(
        study="tickets",
        title="tickets · 0.1 of the epochs",
        experiment_id="1",
        run_id="p",
        tags={},
        cells=(later, _cell("sooner", 3_661_000)),
        is_asked=True,
    )


def test_each_cell_is_a_row_with_the_published_columns_first(runs: StudyRuns) -> None:
    table = cells_table(runs, "biprop")
    assert list(table.columns)[: len(PUBLISHED)] == PUBLISHED
    assert list(table["Run Directory"]) == ["sooner", "later"]
    row = dict(table.iloc[1])
    assert row["Date Finished"] == "01-02-70_00:00:00"
    assert (row["Base Config"], row["Variant"]) == ("tickets", "tickets · 0.1 of the epochs")
    assert (row["Current Val Top 1"], row["Best Val Top 1"]) == ("90.00", "91.25")
    assert (row["Current Val Top 5"], row["Best Val Top 5"]) == ("99.00", "98.50")
    assert (row["Best Train Top 1"], row["Best Train Top 5"]) == ("95.00", "99.90")
    assert (row["Prune Rate"], row["Seed"], row["Learning Rate"]) == ("0.5", "3", "0.1")
    assert (row["Learn BN"], row["Tune BN"], row["Bias Only"]) == ("False", "False", "True")
    assert (row["Best Epoch"], row["Best Test Top 1"]) == ("7", "89.00")
    assert (row["axis/network"], row["axis/keep"]) == ("conv2", "0.5")


def test_what_was_not_measured_or_set_is_empty(runs: StudyRuns) -> None:
    row = dict(cells_table(runs, "biprop").iloc[0])
    assert (row["Prune Rate"], row["Best On Test Top 1"]) == ("", "")
    assert (row["Learn BN"], row["Weight Decay"]) == ("True", "0")


def test_the_text_can_be_read_back(runs: StudyRuns) -> None:
    lines = cells_csv(runs, "biprop").splitlines()
    assert lines[0].split(",")[: len(PUBLISHED)] == PUBLISHED
    assert len(lines) == 3
    assert isinstance(cells_table(runs, "biprop"), pd.DataFrame)


def test_a_tidy_row_has_the_axes_and_every_metric_under_its_name(runs: StudyRuns) -> None:
    runs.cells[0].metrics["validation/error"] = 1 / 3  # type: ignore[index]
    runs = replace(runs, tags={"bnn.metric": "selected/test_accuracy"})
    table = cells_table(runs)
    assert list(table.columns) == [
        "study", "cell", "network", "keep", "selected/test_accuracy", "last/validation_accuracy",
        "selected/epoch", "selected/train_accuracy", "selected/train_top5_accuracy",
        "selected/validation_accuracy", "selected/validation_top5_accuracy",
        "validation/error", "validation/top5_accuracy", "ended", "run_id", "weights_sha256",
    ]  # fmt: skip
    assert list(table["run_id"]) == ["sooner", "later"]
    assert list(table["selected/test_accuracy"]) == [0.89, 0.89]
    assert (table["network"][0], table["keep"][0]) == ("conv2", "0.5")
    assert table["ended"][0] == "1970-01-01T01:01:01Z"
    sooner, later = pd.read_csv(io.StringIO(cells_csv(runs)))["validation/error"]
    assert pd.isna(sooner)
    assert later == 1 / 3


def test_an_axis_with_the_name_of_a_column_keeps_its_own(runs: StudyRuns) -> None:
    odd = replace(runs.cells[0], labels={"cell": "mine"})
    [row] = cells_table(replace(runs, cells=(odd,))).to_dict("records")
    assert (row["cell"], row["axis/cell"]) == ("conv2 · keep 0.5", "mine")
