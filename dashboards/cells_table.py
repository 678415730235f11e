"""The cells of a study one by one, under the column names that BIPROP's code writes, and more."""

import time

import pandas as pd

from dashboards.runs import StudyRuns
from orchestrator.mlflow_reader.cells import RecordedCell


def cells_table(runs: StudyRuns) -> pd.DataFrame:
    """One row a finished cell, in the order in which they finished.

    The columns that the published code writes come first and under its names. Its validation part
    is its test set, ours is not: `Val` is validation here, and the test set has columns of its
    own. Accuracies are percentages. `Best` is one epoch for all columns, chosen by validation; the
    published code takes the highest value of each. Where it has the share that is kept, it says
    `Prune Rate`.

    Args:
        runs: A study as recorded.

    Source: the code published with arXiv:2103.09377, results.csv.
    """
    cells = sorted(runs.cells, key=lambda cell: (cell.ended_ms, cell.name))
    return pd.DataFrame([_row(runs, cell) for cell in cells])


def cells_csv(runs: StudyRuns) -> str:
    """The same as text: a comma between two values, as many digits as shown."""
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
