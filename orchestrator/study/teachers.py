"""Teachers that are recorded runs: which ones a study names, and its cells once they are found."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.study.cells import Cell
from trainers.spec.added import Teacher
from trainers.spec.train_spec import TrainSpec


def runs_named(cells: Iterable[Cell]) -> tuple[str, ...]:
    """What the teachers of cells have in the key `run`, each text once, without those found.

    Args:
        cells: The cells of a study; of a search the ends and choices.
    """
    stages = (stage for cell in cells for stage in cell.train.stages)
    runs = (stage.teacher.run for stage in stages if stage.teacher is not None)
    return tuple(dict.fromkeys(run for run in runs if run))


def taught_cells(cells: tuple[Cell, ...], teachers: Mapping[str, Teacher]) -> tuple[Cell, ...]:
    """The cells, with the files of the runs that teach them.

    Args:
        cells: Cells whose teachers may be runs.
        teachers: The files by what `run` says; other teachers stay.
    """
    if not teachers:
        return cells
    return tuple(replace(cell, train=_taught(cell.train, teachers)) for cell in cells)


def _taught(spec: TrainSpec, teachers: Mapping[str, Teacher]) -> TrainSpec:
    parts: dict[str, Any] = {}
    if spec.teacher is not None and spec.teacher.run in teachers:
        parts["teacher"] = teachers[spec.teacher.run]
    if spec.before is not None:
        parts["before"] = _taught(spec.before, teachers)
    return replace(spec, **parts) if parts else spec
