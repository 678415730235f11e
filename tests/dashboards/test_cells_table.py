"""Cells one by one, under the column names of the code published with BIPROP."""

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
    table = cells_table(runs)
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
    row = dict(cells_table(runs).iloc[0])
    assert (row["Prune Rate"], row["Best On Test Top 1"]) == ("", "")
    assert (row["Learn BN"], row["Weight Decay"]) == ("True", "0")


def test_the_text_can_be_read_back(runs: StudyRuns) -> None:
    lines = cells_csv(runs).splitlines()
    assert lines[0].split(",")[: len(PUBLISHED)] == PUBLISHED
    assert len(lines) == 3
    assert isinstance(cells_table(runs), pd.DataFrame)
