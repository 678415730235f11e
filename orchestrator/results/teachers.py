"""Finds the runs that teach the trials of a study, and puts their networks into files."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.home import Home
from orchestrator.process.waiting import waiting_for
from orchestrator.record.store import Store
from orchestrator.results.export import NoCheckpointError, TrainedCell, trained_cell
from orchestrator.results.mlflow_model import cell_tags
from orchestrator.results.named import BEST, run_id_of
from orchestrator.study.catalog import StudyError
from orchestrator.study.checkpointing import place_of
from orchestrator.study.spec import StudySpec
from orchestrator.study.teachers import runs_named
from trainers.errors import Fault, SpecError
from trainers.export.pack import export_packed
from trainers.spec.added import Teacher
from trainers.storage import Place, names, read, write

FOLDER = "teachers"
"""The folder beside the checkpoints; a file in it is named by its SHA-256."""


def with_teachers(
    study: StudySpec,
    home: Home,
    *,
    storage: str | None,
    data_dir: Path,
    note: Callable[[str, str], object],
) -> StudySpec:
    """The study, with a file for each run that one of its trials names as teacher.

    The file holds the network alone, not where it comes from. So a trial's id says what taught
    it, and is the same for each home in which the teacher was trained to the same bits. It lies
    where checkpoints do, because whoever trains a trial reaches them.

    Args:
        study: The checked study.
        home: The results among which the runs are, and where checkpoints are stored.
        storage: Where checkpoints are stored; None: as in the study, else in the home.
        data_dir: Where data sets are stored.
        note: Told which runs teach: what the study says, and what was found.

    Raises:
        StudyError: If there is no such run, or no network of it was kept.
        StorageError: If the storage cannot hold files.
    """
    runs = runs_named(study.trials)
    if not runs:
        return study
    place = place_of(study.checkpoint, home, asked=storage)
    found: dict[str, Teacher] = {}
    for run in runs:
        try:
            run_id = run_id_of(run, home)
            teacher = _Teachers(Store(home), place, data_dir).found(run_id)
        except SpecError as error:
            raise StudyError(study.name, *error.under(f"teacher.run {run}")) from error
        except OrchestratorError as error:
            name = run.removeprefix(BEST).partition("/")[0]
            hint = f"train it first: bnn-orchestrate sweep {name}" if run.startswith(BEST) else ""
            fault = Fault("teacher.run", f"{run}: {error}", hint)
            raise StudyError(study.name, fault) from error
        found[run] = teacher
        note(run, f"teaches: run {run_id}, SHA-256 {teacher.sha256[:12]}")
    return replace(study, teachers=found)


class _Teachers:
    """The files of teachers, beside the checkpoints of a study."""

    def __init__(self, store: Store, storage: Place, data_dir: Path) -> None:
        self.store, self.storage, self.data_dir = store, storage, data_dir

    def found(self, run_id: str) -> Teacher:
        """The file of a run's network; written, unless an earlier sweep did so."""
        known = cell_tags(self.store, run_id).get(vocabulary.TEACHER, "")
        if not (known and self._holds(known)):
            content = _content(self._cell(run_id))
            known = hashlib.sha256(content).hexdigest()
            if not self._holds(known):
                with waiting_for(f"{self.storage} to take the teacher"):
                    write(self._file(known), content)
            self.store.set_tags(run_id, {vocabulary.TEACHER: known})
        return Teacher(file=str(self._file(known)), sha256=known)

    def _file(self, sha256: str) -> Place:
        return self.storage / FOLDER / f"{sha256}.safetensors"

    def _holds(self, sha256: str) -> bool:
        """Whether the file is there, and is whole."""
        if f"{sha256}.safetensors" not in names(self.storage / FOLDER):
            return False
        return hashlib.sha256(read(self._file(sha256))).hexdigest() == sha256

    def _cell(self, run_id: str) -> TrainedCell:
        """The trained cell, from this storage, or from the home's own."""
        places = tuple(dict.fromkeys([self.storage, self.store.home.checkpoints]))
        for place in places:
            try:
                return trained_cell(
                    self.store, place, run_id, retrain=False, threads=1, data_dir=self.data_dir
                )
            except NoCheckpointError:
                continue
        where = " or ".join(map(str, places))
        what = f"run {run_id} has no checkpoint in {where}"
        hint = f"write its network to a file, by `export {run_id} -o FILE --retrain`; "
        hint += "then write file: and sha256: for run: under the key teacher"
        raise SpecError(Fault("", what, hint))


def _content(cell: TrainedCell) -> bytes:
    """The file of a network, as `export` writes it, without what is known of its run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "teacher")
        export_packed(cell.network.model, path)
        return path.read_bytes()
