"""Results of other data than those that are here now, beside new ones in one matrix: refused."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.planning.checksums import Part, part_of
from orchestrator.process.waiting import waiting_for
from orchestrator.study.catalog import StudyError
from orchestrator.study.spec import StudySpec
from trainers.errors import Fault, MissingDataError

MOST_NAMES = 3
"""Cells that are named of those with other data."""
# Checkpoints lie with a home, and belong to a trial: a name of their own is not enough.
_WAYS = (
    "bring back what they were trained with; or keep new cells apart, in a home of their own: "
    "--home FOLDER --apart NAME"
)


class StudyData:
    """The SHA-256 of the data of a study, which are read when first asked for.

    Args:
        study: The study.
        load: Returns the checksum of each part of the data.
    """

    def __init__(self, study: StudySpec, load: Callable[[], Mapping[Part, str]]) -> None:
        self.study, self._read = study, load

    def load(self) -> str:
        """The checksums as a cell's tag has them.

        Raises:
            MissingDataError: If data are missing.
        """
        return " ".join(self._sums.values())

    def has_trained(self, cell: RecordedCell) -> bool:
        """Whether a cell was trained with these data, as far as its tags and the data tell."""
        if not cell.data:
            return True
        try:
            expected = self._sum_of(cell.trial)
        except MissingDataError:
            return True
        # A tag has the checksums of all data of its study.
        return expected is None or expected in cell.data.split()

    def _sum_of(self, trial: str) -> str | None:
        if trial in self._parts:
            return self._sums[self._parts[trial]]
        # A search draws its trials; most have one data set.
        return next(iter(self._sums.values())) if len(self._sums) == 1 else None

    @cached_property
    def _sums(self) -> Mapping[Part, str]:
        with waiting_for("the data, to be read for their checksum"):
            return self._read()

    @cached_property
    def _parts(self) -> Mapping[str, Part]:
        return {cell.id: part_of(cell.train) for cell in self.study.trials}


def refuse_other_data(
    study: StudySpec, recorded: Sequence[RecordedCell], *, data: StudyData, folder: Path
) -> None:
    """Refuses to mix what was trained with data that changed since.

    Args:
        study: The study.
        recorded: Cells that have trained epochs of its trials.
        data: The data of now.
        folder: Where they lie.

    Raises:
        StudyError: Naming cells.
    """
    others = [_named(cell, study) for cell in recorded if not data.has_trained(cell)]
    if not others:
        return
    named = "; ".join(others[:MOST_NAMES])
    more = f"; {len(others) - MOST_NAMES} more" if len(others) > MOST_NAMES else ""
    what = f"{len(others)} cells were trained with other data than are in {folder}"
    raise StudyError(study.name, Fault("", f"{what}: {named}{more}", _WAYS))


def _named(cell: RecordedCell, study: StudySpec) -> str:
    of = cell.key.partition("/")[0]
    return cell.name if of in ("", study.name) else f"{cell.name} of '{of}'"
