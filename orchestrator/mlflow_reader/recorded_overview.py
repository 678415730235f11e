"""Reads the overview of a study's cells: from its file, else from the runs themselves."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from orchestrator import vocabulary
from orchestrator.mlflow_reader.artifacts import artifact_text
from orchestrator.mlflow_reader.cells import RecordedCell, RecordedVariant, counted
from orchestrator.mlflow_reader.overview import (
    CURVE,
    WAITING,
    CellNow,
    Overview,
    Switch,
    in_parts,
)
from orchestrator.mlflow_reader.reader import Reader
from orchestrator.trial_stages import stages_of
from orchestrator.vocabulary import State

Heard = Callable[[int, int], None]
"""Hears how many cells are read, and of how many; 0: unknown."""
SHOWN: Final = vocabulary.SUMMARIES
"""Metrics of an overview, besides those of the study's matrix and its curve's last point."""
MOST_CURVES = 100
"""Most curves that are read one by one."""
AGAIN_S = 0.3
"""Seconds after which a file that was being written is read again."""


def read_overview(
    reader: Reader, variant: RecordedVariant, heard: Heard = lambda num, total: None
) -> Overview:
    """The cells of a study's variant as they are, or as they were when they were last written.

    Raises the errors of MLflow's client, as `Reader` does.

    Args:
        reader: Of the store.
        variant: The variant.
        heard: As for `overview_of_runs`.
    """
    return written_overview(reader, variant.run_id) or overview_of_runs(reader, variant, heard)


def written_overview(reader: Reader, run_id: str) -> Overview | None:
    """The overview that a sweep keeps on the run of its study; None if there is none.

    Args:
        reader: Of the store.
        run_id: The study's run.
    """
    for pause in (AGAIN_S, 0):
        text = artifact_text(reader, run_id, vocabulary.OVERVIEW_ARTIFACT)
        if text is None:
            return None
        overview = Overview.from_text(text)
        if overview is not None:
            return overview
        # It may be half written.
        time.sleep(pause)
    return None


def overview_of_runs(
    reader: Reader, variant: RecordedVariant, heard: Heard = lambda num, total: None
) -> Overview:
    """The same from the runs; the cells without one come from the plan of the last sweep.

    Takes seconds for 10,000 cells, and has the curves of `MOST_CURVES` cells at most.

    Args:
        reader: Of the store.
        variant: The variant.
        heard: Hears of each page of runs.
    """
    tags = variant.tags
    axes = names_in(tags.get(vocabulary.AXES, ""))
    cells = planned_cells(
        artifact_text(reader, variant.run_id, vocabulary.PLAN_ARTIFACT) or "", axes
    )
    planned = len(cells)
    recorded = counted(
        reader.cells(
            [variant.experiment_id],
            {vocabulary.VARIANT: variant.id},
            heard=lambda num: heard(num, planned),
        )
    )
    for cell in recorded:
        place = tuple(cell.labels.get(axis, "") for axis in axes)
        epochs = cells[place].epochs if place in cells else 0
        cells[place] = cell_now(cell, epochs=epochs)
    _add_curves(reader, list(cells.values()), {cell.run_id: cell for cell in recorded})
    return overview_from(
        cells.values(),
        study=tags.get(vocabulary.STUDY, ""),
        variant="" if variant.is_plain else variant.title,
        axes=axes,
        metric=tags.get(vocabulary.METRIC_NAME, ""),
        metrics=shown_metrics(tags),
        written=time.time_ns() // 1_000_000,
    )


def overview_from(
    cells: Iterable[CellNow],
    *,
    study: str,
    variant: str,
    axes: Sequence[str],
    metric: str,
    metrics: Sequence[str],
    written: int,
) -> Overview:
    """Columns from cells, in their order; metrics that no cell has are left out."""
    rows = list(cells)
    columns = {name: [cell.metrics.get(name) for cell in rows] for name in metrics}
    return Overview(
        study=study,
        variant=variant,
        written=written,
        axes=tuple(axes),
        metric=metric,
        run_id=[cell.run_id for cell in rows],
        state=[cell.state for cell in rows],
        reason=[cell.reason for cell in rows],
        labels={axis: [cell.labels.get(axis, "") for cell in rows] for axis in axes},
        started=[cell.started for cell in rows],
        ended=[cell.ended for cell in rows],
        epochs=[cell.epochs for cell in rows],
        epoch=[cell.epoch for cell in rows],
        metrics={name: column for name, column in columns.items() if set(column) != {None}},
        switches=[cell.switches for cell in rows],
        curve=[cell.curve for cell in rows],
    )


def cell_now(cell: RecordedCell, *, epochs: int = 0) -> CellNow:
    """A recorded cell; its curve is not known by its run alone.

    Args:
        cell: The cell.
        epochs: Epochs planned; 0: as its run says.
    """
    last = cell.metrics.get(f"{vocabulary.LAST}/epoch")
    lines = cell.reason.strip().splitlines()
    return CellNow(
        labels=cell.labels,
        epochs=epochs or _all_epochs(cell.trained),
        run_id=cell.run_id or None,
        state=cell.state.value,
        reason=lines[0] if lines and cell.state == State.FAILED else None,
        started=cell.started_ms or None,
        ended=(cell.ended_ms or None) if cell.state != State.RUNNING else None,
        epoch=0 if last is None else int(last) + 1,
        metrics=cell.metrics,
    )


def epochs_of(tags: Mapping[str, str]) -> int:
    """The epochs of a cell, all stages together; 0 if its tags do not say.

    Args:
        tags: Those of its run.
    """
    try:
        return _all_epochs(json.loads(tags.get(vocabulary.TRAIN, "{}")))
    except ValueError:
        return 0


def planned_cells(plan: str, axes: Sequence[str]) -> dict[tuple[str, ...], CellNow]:
    """The cells of a recorded plan in the study's order, by their labels; empty if it has none.

    Args:
        plan: The text of the plan.
        axes: Names of the axes.
    """
    found: dict[tuple[str, ...], CellNow] = {}
    try:
        for one in json.loads(plan)["cells"]:
            labels = {str(axis): str(label) for axis, label in one["labels"].items()}
            place = tuple(labels.get(axis, "") for axis in axes)
            found[place] = CellNow(labels=labels, epochs=_all_epochs(one["train"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return found


def _all_epochs(train: Any) -> int:
    """The epochs of a trial as plain values, and of the stages before it; 0 if it has none."""
    if not isinstance(train, dict):
        return 0
    epochs = [stage.get("epochs") for stage in stages_of(train)]
    return sum(num for num in epochs if type(num) is int)


def names_in(text: str) -> tuple[str, ...]:
    """The names of a study's axes, from their tag."""
    return tuple(filter(None, text.split(",")))


def shown_metrics(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The metrics of a study's overview.

    Args:
        tags: Those of the study's run.
    """
    try:
        also = [str(name) for name in json.loads(tags.get(vocabulary.ALSO, "[]"))]
    except (ValueError, TypeError):
        also = []
    own = tags.get(vocabulary.METRIC_NAME)
    return tuple(dict.fromkeys((*SHOWN, *filter(None, [own]), *also, CURVE)))


def _add_curves(
    reader: Reader, cells: Sequence[CellNow], recorded: Mapping[str, RecordedCell]
) -> None:
    """Adds the curves of running cells, and of others evenly spread over the study."""
    begun = [cell for cell in cells if cell.state != WAITING and cell.run_id in recorded]
    running = [cell for cell in begun if cell.state == State.RUNNING]
    others = [cell for cell in begun if cell.state != State.RUNNING]
    step = max(1, -(-len(others) // MOST_CURVES))
    for cell in [*running, *others[::step]][:MOST_CURVES]:
        run_id = cell.run_id or ""
        points = dict(reader.curve(run_id, CURVE))
        if not points:
            continue
        cell.epoch = max(cell.epoch, max(points) + 1)
        cell.curve = in_parts(points, cell.epochs or cell.epoch)
        cell.metrics = {**cell.metrics, CURVE: points[max(points)]}
        layers = recorded[run_id].trained.get("layers")
        order = layers.get("order") if isinstance(layers, dict) else None
        cell.switches = _switches(dict(reader.curve(run_id, "binary/layers")), order)


def _switches(num_binary: Mapping[int, float], order: object) -> tuple[Switch, ...]:
    """Since when each layer is binary, from the number of binary layers in each epoch."""
    names = [str(layer) for layer in order] if isinstance(order, list) else []
    found: list[Switch] = []
    for epoch in sorted(num_binary):
        for number in range(len(found), int(num_binary[epoch])):
            found.append((epoch, names[number] if number < len(names) else ""))
    return tuple(found)
