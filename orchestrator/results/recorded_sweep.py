"""A sweep with its matrix, as a program or a notebook calls it: `orchestrator.sweep`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dashboards.matrix import result_matrix
from dashboards.runs import NoResultsError, study_runs
from orchestrator.errors import after_launch
from orchestrator.execution.options import SweepOptions, resources_of
from orchestrator.execution.sweep import Outcome, SweepWatcher, Unwatched
from orchestrator.execution.sweep import sweep as train_what_is_left
from orchestrator.home import Home
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.record.store import Store
from orchestrator.results.publish import publish_matrix, publish_view
from orchestrator.study.catalog import load_study
from orchestrator.study.spec import StudySpec


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepResult:
    """How a sweep ended, and what its study shows now.

    Args:
        outcome: How it ended: what failed, whether a signal interrupted it, seconds.
        matrix: As `dashboards.result_matrix` returns it; None while no cell of the study is
            finished, or while MLflow has not got all that is.
        silence: Why MLflow could not be asked for the matrix; empty: it was not, or answered.
    """

    outcome: Outcome
    matrix: pd.DataFrame | None
    silence: str = ""


def sweep(
    study: StudySpec | str | Path,
    *,
    home: Path | str | None = None,
    tracking_uri: str | None = None,
    data_dir: Path | str | None = None,
    cpus_per_trial: float = 1,
    gpus_per_trial: float | None = None,
    concurrency: int | None = None,
    ray_address: str | None = None,
    deterministic: bool = False,
    share: bool = True,
    only_failed: bool = False,
    storage: str | None = None,
    force: bool = False,
    verbose: bool = False,
    watcher: SweepWatcher | None = None,
) -> SweepResult:
    """Trains what is left of a study, and records it and its matrix in MLflow.

    Call it from a script's `if __name__ == "__main__":` or from a notebook. From the main thread,
    Ctrl-C lets what runs come to the end of its epoch.

    Args:
        study: As `orchestrator.load_study` returns it, or what that takes: a name, or a file.
        home: The folder of all results; None: BNN_HOME, else ./bnn-runs.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else SQLite in the home.
        data_dir: Where data sets lie or are downloaded to; None: BNN_DATA_DIR, else in the home.
        cpus_per_trial: CPUs of a trial; torch gets as many threads.
        gpus_per_trial: GPUs of a trial, a fraction shares one; None: 1 where there are GPUs.
        concurrency: Trials at once at most; None: as many as fit.
        ray_address: A running cluster; None: an embedded Ray.
        deterministic: Only deterministic algorithms on CUDA.
        share: Train beginnings that trials have in common once.
        only_failed: Train the trials whose cells failed for good, and no others.
        storage: Where checkpoints lie, a folder or a URL; None: where the study says.
        force: Start also where the disk has too little room.
        verbose: Let Ray and MLflow speak.
        watcher: Told what happens; None: nobody is.

    Raises:
        SpecError: If the study is wrong, with every fault; a `StudyError` names the study.
        StoreError: If MLflow cannot be used; a server that is merely away can.
        JournalError: If the journal cannot be used.
        InUseError: If another sweep is at the same.
        MissingDataError: If a data set is neither here nor to be downloaded.
        ResourceError: If a trial asks for more than there is.
        StorageError: If checkpoints cannot be kept where they are to be.
        NoRoomError: If the disk has too little room for what is left.
        DiskFullError: If the disk took nothing more on the way; the same call goes on.
    """
    place = Home.at(home, tracking_uri)
    options = SweepOptions(
        data_dir=place.data_folder(data_dir),
        resources=resources_of(
            cpus_per_trial, gpus_per_trial, concurrency, ray_address=ray_address
        ),
        ray_address=ray_address,
        deterministic=deterministic,
        verbose=verbose,
        share=share,
        only_failed=only_failed,
        storage=storage,
        force=force,
    )
    if not isinstance(study, StudySpec):
        study = load_study(study)
    return recorded_sweep(study, place, options, watcher or Unwatched())


def recorded_sweep(
    study: StudySpec,
    home: Home,
    options: SweepOptions,
    watcher: SweepWatcher,
    *,
    show: Callable[[pd.DataFrame | None], None] | None = None,
) -> SweepResult:
    """Trains what is left of a study, and records its matrix and the view of it.

    Args:
        study: The study, checked.
        home: Where results live.
        options: How to run.
        watcher: Told what happens.
        show: Given the matrix before it is recorded, so that it is seen even where that fails;
            None if no cell is finished. Not called while MLflow has not got all cells.

    Raises:
        RuntimeError: As `sweep` says.
    """
    try:
        outcome = train_what_is_left(study, home, options, watcher)
    finally:
        watcher.stopped()
    if outcome.num_undelivered:
        return SweepResult(outcome=outcome, matrix=None)
    try:
        matrix = matrix_of_finished(study, home)
    except StoreError as error:
        # All is trained and recorded; it can be looked at later.
        return SweepResult(outcome=outcome, matrix=None, silence=str(error))
    with after_launch():
        if show is not None:
            show(matrix)
        if matrix is not None:
            record_matrix(study, matrix, home)
    return SweepResult(outcome=outcome, matrix=matrix)


def matrix_of_finished(study: StudySpec, home: Home) -> pd.DataFrame | None:
    """The matrix of a study as MLflow has it; None if no cell of it is finished."""
    try:
        matrix = result_matrix(study, home.tracking_uri)
    except NoResultsError:
        return None
    return matrix if matrix.attrs["is_asked"] else None


def record_matrix(study: StudySpec, matrix: pd.DataFrame, home: Home) -> None:
    """Records a matrix on the run of its study, and the view of its cells."""
    store = Store(home)
    publish_matrix(store, matrix)
    publish_view(store, study_runs(study, home.tracking_uri))
