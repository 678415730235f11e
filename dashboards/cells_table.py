"""The cells of a study as a table: ours, or with the column names of BIPROP's code."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd

from dashboards.runs import StudyRuns
from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell

Format = Literal["tidy", "biprop"]

_FIXED = ("study", "cell", "ended", "run_id", "weights_sha256")


def cells_table(runs: StudyRuns, format: Format = "tidy") -> pd.DataFrame:
    """One row for each finished cell, in the order in which they finished.

    `tidy`: the cell's name, a column for each axis, and one for each metric under its name in
    MLflow, the study's own first. Errors and accuracies are fractions in [0, 1]; of a curve it is
    the last point. An axis with the name of another column is called `axis/NAME`.

    `biprop`: the columns of the published code come first, under its names. It validates on its
    test set; we do not: `Val` is the validation set here, and the test set has its own columns.
    Accuracies are percentages. `Best` is one epoch for all columns, chosen by validation; the
    published code takes the highest value of each column. `Prune Rate` is the share of weights
    that is kept, as in the published code.

    Args:
        runs: The recorded study.
        format: Which columns.

    Source: of `biprop` the code published with arXiv:2103.09377, results.csv.
    """
    cells = sorted(runs.cells, key=lambda cell: (cell.ended_ms, cell.name))
    return pd.DataFrame(FORMATS[format](runs, cells))


def cells_csv(runs: StudyRuns, format: Format = "tidy") -> str:
    """The same table as CSV text, with the same digits."""
    text: str = cells_table(runs, format).to_csv(index=False, lineterminator="\n")
    return text


def _tidy(runs: StudyRuns, cells: Sequence[RecordedCell]) -> list[dict[str, str | float]]:
    own = runs.tags.get(vocabulary.METRIC_NAME)
    percent = {vocabulary.PERCENT.format(metric=name) for name in vocabulary.IN_PERCENT}
    metrics = sorted({name for cell in cells for name in cell.metrics} - percent)
    metrics.sort(key=lambda name: name != own)
    taken = {*_FIXED, *metrics}
    return [
        {
            "study": runs.title,
            "cell": cell.name,
            **{f"axis/{axis}" if axis in taken else axis: at for axis, at in cell.labels.items()},
            **{name: cell.metrics.get(name, math.nan) for name in metrics},
            "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(cell.ended_ms / 1000)),
            "run_id": cell.run_id,
            "weights_sha256": cell.weights_sha256,
        }
        for cell in cells
    ]


def _published(runs: StudyRuns, cells: Sequence[RecordedCell]) -> list[dict[str, str | float]]:
    return [_published_row(runs, cell) for cell in cells]


def _published_row(runs: StudyRuns, cell: RecordedCell) -> dict[str, str | float]:
    params, metrics = cell.params, cell.metrics

    def percent(name: str) -> str:
        return f"{100 * metrics[name]:.2f}" if name in metrics else ""

    learned = params.get("batch_norm.learn", "all")
    published = {
        "Date Finished": time.strftime("%m-%d-%y_%H:%M:%S", time.gmtime(cell.ended_ms / 1000)),
        "Base Config": runs.study,
        "Current Val Top 1": percent("last/validation_accuracy"),
        "Current Val Top 5": percent("validation/top5_accuracy"),
        "Best Val Top 1": percent("selected/validation_accuracy"),
        "Best Val Top 5": percent("selected/validation_top5_accuracy"),
        "Best Train Top 1": percent("selected/train_accuracy"),
        "Best Train Top 5": percent("selected/train_top5_accuracy"),
        "Name": cell.name,
        "Seed": params.get("seed", ""),
        "Prune Rate": params.get("weights.keep", ""),
        "Learning Rate": params.get("optimizer.lr", ""),
        "Epochs": params.get("epochs", ""),
        "Weight Decay": params.get("optimizer.weight_decay", "0"),
        "Learn BN": str(learned == "all"),
        "Tune BN": str("batch_norm.tuned_from" in params),
        "Bias Only": str(learned == "bias"),
        "Run Directory": cell.run_id,
    }
    ours = {
        "Best Epoch": f"{metrics['selected/epoch']:.0f}" if "selected/epoch" in metrics else "",
        "Current Train Top 1": percent("train/accuracy"),
        "Current Train Top 5": percent("train/top5_accuracy"),
        "Best Test Top 1": percent("selected/test_accuracy"),
        "Best Test Top 5": percent("selected/test_top5_accuracy"),
        "Current Test Top 1": percent("last/test_accuracy"),
        "Current Test Top 5": percent("test/top5_accuracy"),
        "Best On Test Top 1": percent("best_on_test/test_accuracy"),
        "Variant": runs.title,
        "Weights SHA-256": cell.weights_sha256,
    }
    return {**published, **ours, **{f"axis/{name}": at for name, at in cell.labels.items()}}


FORMATS: Mapping[
    Format, Callable[[StudyRuns, Sequence[RecordedCell]], list[dict[str, str | float]]]
] = {"tidy": _tidy, "biprop": _published}
