"""The best cell of a study, as `best:STUDY` and `best:STUDY/ROW` name it."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dashboards.runs import NoResultsError, StudyRuns
from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import OBJECTIVE, RecordedCell
from trainers.errors import SpecError, did_you_mean
from trainers.spec.train_spec import TrainSpec


def best_cell(
    runs: StudyRuns,
    row: str | None = None,
    *,
    prefers: Callable[[Mapping[str, Any]], bool] | None = None,
) -> RecordedCell:
    """The cell with the lowest validation error among those that count.

    Without a row, these are the cells that turned all layers binary: as many as any cell of the
    study did in the same network. Else a control in full precision would be the best of most
    studies.

    Args:
        runs: The recorded study.
        row: A label of its rows; None: any.
        prefers: Whether a trial, as plain values, goes before others; None: none does.

    Raises:
        NoResultsError: If there is no such row, or no finished cell has a validation error.
    """
    cells = list(runs.cells) if row is None else _in_row(runs, row)
    cells = [cell for cell in cells if OBJECTIVE in cell.metrics]
    if not cells:
        raise NoResultsError(f"no finished cell of {runs.title} has the metric '{OBJECTIVE}'")
    if row is None:
        cells = _most_binary(cells)
    if prefers is not None:
        cells = [cell for cell in cells if prefers(cell.trained)] or cells
    return min(cells, key=lambda cell: cell.metrics[OBJECTIVE])


def _in_row(runs: StudyRuns, row: str) -> list[RecordedCell]:
    axis = runs.tags[vocabulary.ROWS_AXIS]
    found = [cell for cell in runs.cells if cell.labels.get(axis) == row]
    if not found:
        known = sorted({cell.labels[axis] for cell in runs.cells if axis in cell.labels})
        what = f"no cell of the row '{row}' of {runs.title} is finished{did_you_mean(row, known)}"
        raise NoResultsError(f"{what}; finished: {', '.join(known)}")
    return found


def _most_binary(cells: Sequence[RecordedCell]) -> list[RecordedCell]:
    """The cells with the most binary layers among those of the same network."""
    counts = [_binary_layers(cell.trained) for cell in cells]
    networks = [json.dumps(cell.trained.get("model"), sort_keys=True) for cell in cells]
    most: dict[str, int] = {}
    for network, count in zip(networks, counts, strict=True):
        most[network] = max(count, most.get(network, 0))
    rows = zip(cells, networks, counts, strict=True)
    full = [cell for cell, network, count in rows if count and count == most[network]]
    return full or list(cells)


def _binary_layers(trial: Mapping[str, Any]) -> int:
    """The number of layers that a recorded trial turns binary."""
    try:
        return len(TrainSpec.from_mapping(trial).layers.order)
    except SpecError:
        # Recorded by another version, or changed in MLflow.
        return 0
