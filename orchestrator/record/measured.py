"""How long epochs took in cells that are recorded: here in the journal, or in MLflow by others."""

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator import vocabulary
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.planning.outlook import Basis
from orchestrator.planning.paces import Paces, kinds_of
from orchestrator.planning.planning import Plan
from orchestrator.planning.workload import Kind, Work, kind_at, work_of
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal

MOST_LOOKED_AT = 2000
"""Cells whose trials are looked at, the newest first."""
ENOUGH = 10
"""Cells of one network, data and batch that are read; older ones add little."""
LONGEST_GAP = 3.0
"""Times its own seconds that may lie between the ends of an epoch and the one before: what is
longer is an interruption."""
EPOCH_S = "epoch_s"


def basis_for(
    todo: Plan, journal: Journal | None, cells: Iterable[RecordedCell], *, processes: int
) -> Basis:
    """What is known of how long the epochs of a plan take; nothing, if nothing like it is.

    Args:
        todo: The plan.
        journal: The home's journal; None: there is none.
        cells: Recorded cells, oldest first.
        processes: Processes that train a trial together.
    """
    trainings = {kind.training for kind in kinds_of(todo.works.values())}
    here = None
    if journal is not None:
        here = measured_here(journal, trainings, processes=processes)
    newest = sorted(cells, key=lambda cell: cell.ended_ms, reverse=True)[:MOST_LOOKED_AT]
    return here or measured_there(newest, trainings) or Basis()


def measured_here(
    journal: Journal, trainings: Collection[str], *, processes: int = 1
) -> Basis | None:
    """What the newest cells of this home took for an epoch; None: it trained nothing like it.

    Args:
        journal: The home's journal.
        trainings: Which trainings are asked for; see `orchestrator.planning.workload.Kind`.
        processes: Processes that train a trial together.
    """
    paces, wanted, cells = Paces(_nothing), dict.fromkeys(trainings, 0), 0
    for entry in journal.newest(most=MOST_LOOKED_AT):
        tags = {**entry.description.tags, **entry.tags}
        is_copy = vocabulary.COPIED_FROM in tags
        if is_copy or tags.get(vocabulary.PROCESSES, "1") != str(processes):
            continue
        work = _work(tags.get(vocabulary.TRAIN, ""))
        new = {stretch.kind.training for stretch in work} & wanted.keys()
        if not any(wanted[training] < ENOUGH for training in new):
            continue
        found = list(_epochs(journal.points(entry.description.cell), work))
        for kind, seconds in found:
            if kind.training in wanted:
                paces.add(kind, seconds)
        cells += bool(found)
        for training in new if found else ():
            wanted[training] += 1
    if not paces.measured:
        return None
    return Basis(measured=paces.measured, num_cells=cells, where="here")


def measured_there(cells: Sequence[RecordedCell], trainings: Collection[str]) -> Basis | None:
    """The same from the last epochs of cells that others have recorded; None: there are none.

    Args:
        cells: Recorded cells, the newest first.
        trainings: As for `measured_here`.
    """
    paces, num = Paces(_nothing), 0
    for cell in cells:
        work, seconds = _work(cell.train), cell.metrics.get(EPOCH_S, math.nan)
        kind = work[-1].kind if work else None
        if kind is not None and kind.training in trainings and seconds > 0:
            paces.add(kind, seconds)
            num += 1
    if not num:
        return None
    return Basis(measured=paces.measured, num_cells=num, where="in this store")


def _work(text: str) -> Work:
    """The epochs of a recorded trial; none if it cannot be read."""
    try:
        train: Mapping[str, Any] = json.loads(text)
        return work_of(train)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ()


def _epochs(points: Sequence[Point], work: Work) -> Iterator[tuple[Kind, float]]:
    """Kind and seconds of the epochs that a cell has trained itself, but for each first one."""
    if not work:
        return
    inherited = [point.value for point in points if point.key == vocabulary.INHERITED_EPOCHS]
    own = [p for p in points if p.key == EPOCH_S and p.step >= max(inherited, default=0)]
    before: Point | None = None
    for point in own:
        if before is not None and point.step == before.step + 1 and point.value > 0:
            passed = (point.time_ms - before.time_ms) / 1000
            # With what is saved and measured in between.
            if 0 < passed < LONGEST_GAP * point.value + 1:
                yield kind_at(work, point.step), passed
        before = point
    if len(own) == 1 and own[0].value > 0:
        yield kind_at(work, own[0].step), own[0].value


def _nothing(kind: Kind) -> float:
    return 0.0
