"""What a study's cells cost and which of them are left to do; pure."""

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.expansion import expand
from orchestrator.study import StudySpec, TrialSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The cells of a study, and what is known of them.

    Args:
        study: The study.
        cells: Its trials, each at its place; of a searched study those recorded so far.
        finished: Ids of trials that need no training any more.
        num_samples: Trials a search makes in all; 0 for a study that is no search.
    """

    study: StudySpec
    cells: tuple[TrialSpec, ...]
    finished: frozenset[str] = frozenset()
    num_samples: int = 0

    @property
    def todo(self) -> tuple[TrialSpec, ...]:
        """One cell of each trial that is left to train, in the study's order."""
        unique = {cell.id: cell for cell in reversed(self.cells) if cell.id not in self.finished}
        return tuple(cell for cell in self.cells if unique.get(cell.id) is cell)

    @property
    def num_todo(self) -> int:
        """Trials left to train."""
        if self.num_samples:
            return max(0, self.num_samples - len(self.finished))
        return len(self.todo)

    @property
    def num_cells(self) -> int:
        """Cells in all, of a search those it will have."""
        return self.num_samples or len(self.cells)

    @property
    def epochs(self) -> int:
        """Epochs of all cells, were each trained from its beginning."""
        if self.num_samples:
            return self.num_samples * max(cell.train.epochs for cell in expand(self.study))
        return sum(cell.train.epochs for cell in self.cells)

    @property
    def epochs_todo(self) -> int:
        """Epochs of the trials that are left to train; of a search the most there can be."""
        if self.num_samples:
            return self.epochs * self.num_todo // self.num_samples
        return sum(cell.train.epochs for cell in self.todo)


def plan(study: StudySpec, *, finished: Collection[str] = ()) -> Plan:
    """The plan of a study.

    Args:
        study: The study.
        finished: Ids of trials that are recorded as finished already.
    """
    if study.search is None:
        cells = expand(study)
        done = frozenset(finished) & {cell.id for cell in cells}
        return Plan(study=study, cells=cells, finished=done)
    num_samples = study.search.options["num_samples"]
    assert isinstance(num_samples, int)
    return Plan(study=study, cells=(), finished=frozenset(finished), num_samples=num_samples)
