"""The cells of a study as a table, with the column names of BIPROP's code, and more."""

import time

import pandas as pd

from dashboards.runs import StudyRuns
from orchestrator.mlflow_reader.cells import RecordedCell


def cells_table(runs: StudyRuns) -> pd.DataFrame:
    """One row for each finished cell, in the order in which they finished.

    The columns of the published code come first, under its names. It validates on its test set;
    we do not: `Val` is the validation set here, and the test set has its own columns. Accuracies
    are percentages. `Best` is one epoch for all columns, chosen by validation; the published code
    takes the highest value of each column. `Prune Rate` is the share of weights that is kept, as
    in the published code.

    Args:
        runs: The recorded study.

    Source: the code published with arXiv:2103.09377, results.csv.
    """
    cells = sorted(runs.cells, key=lambda cell: (cell.ended_ms, cell.name))
    return pd.DataFrame([_row(runs, cell) for cell in cells])


def cells_csv(runs: StudyRuns) -> str:
    """The same table as CSV text, with the same digits."""
    text: str = cells_table(runs).to_csv(index=False, lineterminator="\n")
    return text


def _row(runs: StudyRuns, cell: RecordedCell) -> dict[str, str]:
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
