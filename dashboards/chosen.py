"""Which cells of a study a view shows, and by which metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from dashboards.runs import NoResultsError, StudyRuns
from dashboards.statistics import Better
from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.mlflow_reader.near import did_you_mean, some_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """Some finished cells of a study, and the metric they are shown by.

    Args:
        metric: A summary, or a curve, which counts with its last point.
        better: Which direction is better.
        cells: The cells; one of them has the metric.
    """

    metric: str
    better: Better
    cells: tuple[RecordedCell, ...]


def chosen(
    runs: StudyRuns, *, metric: str | None = None, where: Mapping[str, str] | None = None
) -> Chosen:
    """Chooses cells by their labels; pure.

    Args:
        runs: The recorded study.
        metric: The metric to show; None: the study's own.
        where: Axis name to label; only matching cells count.

    Raises:
        NoResultsError: If no cell matches, or none has the metric.
    """
    name = metric or runs.tags[vocabulary.METRIC_NAME]
    cells = tuple(cell for cell in runs.cells if _matches(cell, where or {}))
    if not cells:
        _refuse_unknown(runs, where or {})
        raise NoResultsError(f"no finished cell of {runs.title} has {_text(where or {})}")
    if not any(name in cell.metrics for cell in cells):
        known = sorted({key for cell in cells for key in cell.metrics})
        what = f"no cell of {runs.title} has the metric '{name}'{did_you_mean(name, known)}"
        raise NoResultsError(f"{what}; known: {', '.join(known)}")
    return Chosen(metric=name, better=cast(Better, _better(name, runs)), cells=cells)


def _better(metric: str, runs: StudyRuns) -> str:
    if metric == runs.tags[vocabulary.METRIC_NAME]:
        return runs.tags[vocabulary.METRIC_BETTER]
    return "higher" if metric.endswith("accuracy") else "lower"


def _matches(cell: RecordedCell, where: Mapping[str, str]) -> bool:
    return all(cell.labels.get(axis) in (label, label.strip()) for axis, label in where.items())


def _refuse_unknown(runs: StudyRuns, where: Mapping[str, str]) -> None:
    """Refuses an axis or a label that no finished cell has.

    Raises:
        NoResultsError: With the nearest and the known ones.
    """
    for axis, label in where.items():
        known = list(dict.fromkeys(name for cell in runs.cells for name in cell.labels))
        kind, asked = "axis", axis
        if axis in known:
            found = (cell.labels.get(axis) for cell in runs.cells)
            known = list(dict.fromkeys(one for one in found if one is not None))
            kind, asked = axis, label
        if asked not in known and asked.strip() not in known:
            near = did_you_mean(asked, known)
            what = f"no finished cell of {runs.title} has the {kind} '{asked}'{near}"
            raise NoResultsError(f"{what}; known: {some_of(known)}")


def _text(where: Mapping[str, str]) -> str:
    return ", ".join(f"{axis}={label}" for axis, label in where.items()) or "that"
