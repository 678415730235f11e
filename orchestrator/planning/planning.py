"""The plan of a study: which trials remain, and what they cost; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from orchestrator.planning.sharing import Amount, Start, amount, starts
from orchestrator.planning.workload import Work, work_of
from orchestrator.study.cells import Cell
from orchestrator.study.spec import StudySpec


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cells of a study, which of their trials are finished, and what remains.

    Args:
        study: The study.
        cells: Its cells; empty for a search.
        finished: Ids of trials that are already trained.
        num_samples: Total trials of a search; 0 if the study is not a search.
        share: Whether epochs that trials have in common are trained once.
        available: Ids of the stems, that is shared checkpoints, that an earlier sweep saved; see
            `orchestrator.planning.sharing`.
        only: Ids of the trials to train; None: all that remain.
    """

    study: StudySpec
    cells: tuple[Cell, ...]
    finished: frozenset[str] = frozenset()
    num_samples: int = 0
    share: bool = True
    available: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    @cached_property
    def todo(self) -> tuple[Cell, ...]:
        """One cell of each remaining trial, in the study's order."""
        unique = {cell.id: cell for cell in reversed(self.cells) if self._is_remaining(cell)}
        return tuple(cell for cell in self.cells if unique.get(cell.id) is cell)

    def _is_remaining(self, cell: Cell) -> bool:
        asked = self.only is None or cell.id in self.only
        return asked and cell.id not in self.finished

    @property
    def num_todo(self) -> int:
        """Number of trials that remain to train."""
        if self.num_samples:
            return max(0, self.num_samples - len(self.finished))
        return len(self.todo)

    @property
    def is_finished(self) -> bool:
        """Whether every trial is trained; of a search, as many as it will have."""
        if self.num_samples:
            return len(self.finished) >= self.num_samples
        return all(cell.id in self.finished for cell in self.cells)

    @property
    def num_cells(self) -> int:
        """Number of all cells; for a search, as many as it will have."""
        return self.num_samples or len(self.cells)

    @cached_property
    def works(self) -> Mapping[str, Work]:
        """The epochs of each remaining trial, by its id; of a search those of its extremes."""
        cells = self.todo or self.study.trials
        return {cell.id: work_of(cell.train.to_mapping()) for cell in cells}

    @cached_property
    def starts(self) -> Mapping[str, Start]:
        """Trial id to how each remaining trial is trained if nothing fails."""
        return starts(self.todo, available=self.available) if self.share else {}

    @cached_property
    def amount(self) -> Amount:
        """The training of all cells; for a search, an upper bound."""
        if self.num_samples:
            most = self.num_samples * self.study.most_epochs
            return Amount(
                stage_trainings=0, stage_trainings_alone=0, epochs=most, epochs_alone=most
            )
        return amount(self.cells, starts(self.cells) if self.share else {})

    @cached_property
    def amount_todo(self) -> Amount:
        """The training that remains; for a search, an upper bound."""
        if self.num_samples:
            most = self.amount.epochs * self.num_todo // self.num_samples
            return Amount(
                stage_trainings=0, stage_trainings_alone=0, epochs=most, epochs_alone=most
            )
        return amount(self.todo, self.starts)

    @property
    def shares(self) -> bool:
        """Whether sharing saves any of the remaining epochs."""
        return self.amount_todo.epochs < self.amount_todo.epochs_alone

    @property
    def stage_trainings(self) -> int:
        """Stages of all layer-by-layer cells; a stage lasts until the next layer turns binary."""
        return self.amount.stage_trainings

    @property
    def stage_trainings_alone(self) -> int:
        """Stages if each cell were trained on its own."""
        return self.amount.stage_trainings_alone

    @property
    def epochs(self) -> int:
        """Epochs of all cells."""
        return self.amount.epochs

    @property
    def epochs_alone(self) -> int:
        """Epochs if each cell were trained on its own."""
        return self.amount.epochs_alone

    @property
    def epochs_todo(self) -> int:
        """Epochs of the trials that remain; for a search, an upper bound."""
        return self.amount_todo.epochs


def plan(
    study: StudySpec,
    *,
    finished: Collection[str] = (),
    share: bool = True,
    available: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Plan:
    """Makes the plan of a study.

    Args:
        study: The study.
        finished: Ids of trials that are already recorded as finished.
        share: Train epochs that trials have in common once; a search shares none.
        available: Ids of the stems (shared checkpoints) that an earlier sweep saved.
        only: Ids of the trials to train; None: all that remain. A search ignores it.
    """
    if study.search is None:
        cells = study.trials
        done = frozenset(finished) & {cell.id for cell in cells}
        return Plan(
            study=study,
            cells=cells,
            finished=done,
            share=share,
            available=frozenset(available),
            only=None if only is None else frozenset(only),
        )
    num_samples = study.search.options["num_samples"]
    assert isinstance(num_samples, int)
    return Plan(study=study, cells=(), finished=frozenset(finished), num_samples=num_samples)
