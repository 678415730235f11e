"""Checks the files that the trials of a study name, before any of them is trained."""

from pathlib import Path

from orchestrator.planning.planning import Plan
from orchestrator.study.catalog import StudyError
from orchestrator.study.spec import StudySpec
from trainers.added import check_added
from trainers.errors import MissingDataError, SpecError
from trainers.spec.train_spec import TrainSpec


def check_files(study: StudySpec, todo: Plan, *, data_dir: Path) -> None:
    """Checks that each file is there, is the one that is meant, and fits its trials.

    Args:
        study: The study.
        todo: Which of its trials remain; of a search the ends and choices are checked.
        data_dir: Base of relative files.

    Raises:
        MissingDataError: If a file is missing.
        StudyError: If one does not fit.
    """
    trials = [stage for cell in todo.todo or study.trials for stage in cell.train.stages]
    # Most trials differ in other keys, and a teacher takes seconds to load.
    unique = {_files_of(train): train for train in trials if train.teacher is not None}
    if not unique:
        return

    for train in unique.values():
        try:
            check_added(train, data_dir=data_dir)
        except MissingDataError:
            raise
        except SpecError as error:
            raise StudyError(study.name, *error.faults) from error


def _files_of(train: TrainSpec) -> str:
    """What the check of a trial depends on."""
    return str((train.teacher, train.distillation, train.model, train.data.source))
