"""A sweep with its matrix, for programs and notebooks: `orchestrator.sweep`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import after_launch
from orchestrator.execution.options import SweepOptions, resources_of
from orchestrator.execution.outcome import Outcome, SweepWatcher, Unwatched
from orchestrator.execution.sweep import sweep as train_what_is_left
from orchestrator.home import Home
from orchestrator.mlflow_reader.reader import StoreError
from orchestrator.results.teachers import with_teachers
from orchestrator.study.catalog import load_study
from orchestrator.study.spec import StudySpec

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepResult:
    """How a sweep ended, and the matrix of its study.

    Args:
        outcome: How it ended: failures, whether a signal interrupted it, seconds.
        matrix: The result of `dashboards.result_matrix`; None if no cell of the study is finished,
            or if MLflow has not received all results yet.
        silence: Why MLflow did not answer when asked for the matrix; empty if it did.
    """

    outcome: Outcome
    matrix: "pd.DataFrame | None"
    silence: str = ""


def sweep(
    study: StudySpec | str | Path,
    *,
    home: Path | str | None = None,
    tracking_uri: str | None = None,
    data_dir: Path | str | None = None,
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | str | None = None,
    processes_per_trial: int | None = None,
    concurrency: int | None = None,
    ray_address: str | None = None,
    min_nodes: int = 0,
    deterministic: bool = False,
    graphs: bool = True,
    share: bool = True,
    only_failed: bool = False,
    storage: str | None = None,
    force: bool = False,
    accept_code: bool = False,
    verbose: bool = False,
    watcher: SweepWatcher | None = None,
) -> SweepResult:
    """Trains the remaining cells of a study and records them and its matrix in MLflow.

    Call it from a script's `if __name__ == "__main__":` or from a notebook. In the main thread,
    Ctrl-C lets running trials finish their epoch.

    Args:
        study: A study from `orchestrator.load_study`, or its name or file.
        home: The folder of all results; None: BNN_HOME, else ./bnn-runs.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else SQLite in the home.
        data_dir: Where data sets are stored or downloaded to; None: BNN_DATA_DIR, else in the
            home.
        cpus_per_trial: CPUs for each trial; torch gets as many threads; None: 1 for each process.
        gpus_per_trial: GPUs for each trial; a fraction shares one; None: 1 for each process if
            there are GPUs; "auto": trials share GPUs as their memory allows, which is measured.
        processes_per_trial: Processes that train a trial together; None: as in the study.
        concurrency: Most trials at once; None: as many as fit.
        ray_address: The address of a running cluster; None: an embedded Ray.
        min_nodes: Begin when this many nodes of the cluster have room for a trial.
        deterministic: Use only deterministic algorithms on CUDA.
        graphs: On CUDA, record a training step as a graph and replay it where that is possible.
        share: Train epochs that trials have in common once.
        only_failed: Train only the trials whose cells failed for good.
        storage: Where checkpoints are stored, a folder or a URL; None: as in the study.
        force: Start even if the disk has too little room.
        accept_code: Count results of other code, and train the remaining trials with this code.
        verbose: Show the output of Ray and MLflow.
        watcher: Told about the sweep's events; None: no one.

    Raises:
        SpecError: If the study has faults; a `StudyError` names the study.
        StoreError: If MLflow cannot be used; a server that does not answer is not an error.
        JournalError: If the journal cannot be used.
        InUseError: If another process runs the same search, or if another home trains this study
            or some of its trials in the same store.
        MissingDataError: If a data set is missing and cannot be downloaded.
        ResourceError: If a trial asks for more CPUs or GPUs than there are.
        StorageError: If the storage cannot hold checkpoints.
        NoRoomError: If the disk has too little room for the remaining cells.
        DiskFullError: If the disk becomes full during the sweep; the same call resumes it.
    """
    place = Home.at(home, tracking_uri)
    options = SweepOptions(
        data_dir=place.data_folder(data_dir),
        resources=resources_of(
            cpus_per_trial, gpus_per_trial, concurrency, ray_address=ray_address
        ),
        ray_address=ray_address,
        min_nodes=min_nodes,
        deterministic=deterministic,
        graphs=graphs,
        verbose=verbose,
        share=share,
        only_failed=only_failed,
        storage=storage,
        force=force,
        accept_code=accept_code,
        processes=processes_per_trial,
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
    show: "Callable[[pd.DataFrame | None], None] | None" = None,
) -> SweepResult:
    """Trains the remaining cells of a study and records its matrix and view.

    Args:
        study: The checked study.
        home: Where results are stored.
        options: How to run.
        watcher: Told about the sweep's events, and which runs teach.
        show: Called with the matrix before it is recorded, so that the user sees it even if
            recording fails; with None if no cell is finished. Not called if MLflow has not
            received all cells.

    Raises:
        RuntimeError: As for `sweep`.
    """
    try:
        study = with_teachers(
            study,
            home,
            storage=options.storage,
            data_dir=options.data_dir,
            note=lambda run, text: watcher.cell_noted(run, note=text),
        )
        outcome = train_what_is_left(study, home, options, watcher)
    finally:
        watcher.stopped()
    if outcome.num_undelivered:
        return SweepResult(outcome=outcome, matrix=None)

    # Only here, because pandas would delay the first trial.
    from orchestrator.results.publish import matrix_of_finished, record_matrix

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
