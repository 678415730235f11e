"""One execution of a study: what is recorded already, what is left, and its training."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

from orchestrator import launch, vocabulary
from orchestrator.cells import cell_key, describe
from orchestrator.delivery import Delivery
from orchestrator.environment import environment, git_commit
from orchestrator.expansion import expand, scaled_scheduler
from orchestrator.hold import held
from orchestrator.home import Home, masked
from orchestrator.journal import CellDescription, Journal
from orchestrator.listener import Failure, SweepListener, Watcher
from orchestrator.planning import Plan, plan
from orchestrator.progress import Progress
from orchestrator.record import RecordedCell, Store
from orchestrator.search import SCHEDULERS, SEARCHERS
from orchestrator.sharing import Beginnings
from orchestrator.stems import StemStore
from orchestrator.study import StudySpec, TrialSpec
from orchestrator.study_record import parent_tags, plan_content, refuse_changed_labels
from orchestrator.work import Work
from orchestrator.worker import Job
from trainers.binding import Component
from trainers.data import SOURCES

log = logging.getLogger(__name__)
T = TypeVar("T")

DRAIN_S = 60.0
"""How long the end of a sweep waits for MLflow; what is left stays in the journal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """How a sweep runs: nothing here changes what its trials end with, but for the CPUs.

    Args:
        data_dir: Where data sets lie or are downloaded to.
        resources: What each trial gets.
        ray_address: A running cluster; None: an embedded Ray.
        deterministic: As `RunOptions` takes it.
        verbose: Let Ray and MLflow speak.
        share: Train beginnings that trials have in common once.
        only_failed: Train the trials whose cells failed for good, and no others.
    """

    data_dir: Path
    resources: launch.Resources = field(default_factory=launch.Resources)
    ray_address: str | None = None
    deterministic: bool = False
    verbose: bool = False
    share: bool = True
    only_failed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a sweep ended.

    Args:
        plan: The plan it began with.
        experiment_id: MLflow's experiment.
        parent_run_id: MLflow's run of the study.
        failures: Cells that failed for good.
        num_finished: Cells trained to their end in this sweep.
        num_copied: Cells whose trial was finished elsewhere.
        interrupted: Whether a signal ended it.
        num_undelivered: Points that wait in the journal.
        wall_s: Seconds it took.
        train_s: Seconds the workers trained and measured, added up.
        track_s: Seconds spent in the journal and in delivery.
    """

    plan: Plan
    experiment_id: str
    parent_run_id: str
    failures: tuple[Failure, ...] = ()
    num_finished: int = 0
    num_copied: int = 0
    interrupted: bool = False
    num_undelivered: int = 0
    wall_s: float = 0.0
    train_s: float = 0.0
    track_s: float = 0.0


class SweepWatcher(Watcher, Protocol):
    """Shows a whole sweep to a person."""

    def planned(self, plan: Plan, *, slots: int | None) -> None:
        """Before anything starts; `slots` is None when nothing will."""

    def began(self, progress: Progress) -> None:
        """Workers are about to start."""

    def stopped(self) -> None:
        """Training is over; what is left is delivered."""


def sweep(study: StudySpec, home: Home, options: SweepOptions, watcher: SweepWatcher) -> Outcome:
    """Trains what is left of a study and records it.

    Args:
        study: The study, checked.
        home: Where results live.
        options: How to run.
        watcher: Told what happens.

    Raises:
        StudyError: If the store holds other trials under the same labels.
        StoreError: If MLflow cannot be used.
        JournalError: If the journal cannot be used.
        InUseError: If another sweep uses the home.
        MissingDataError: If a data set is neither here nor to be downloaded.
        ResourceError: If a trial asks for more than there is.
    """
    started = time.perf_counter()
    if options.ray_address is None:
        launch.num_slots(options.resources, launch.this_machine())
    # Nothing is recorded in a new store, so all is to be trained: what is missing is said before
    # anything is written.
    is_new = home.database is not None and not home.database.exists()
    checksum = data_checksum(study, options.data_dir) if is_new else None
    with held(home.journal), closing(Journal(home.journal)) as journal:
        store = Store(home)
        delivery = Delivery(journal, store)
        try:
            # What an earlier sweep could not deliver comes first: it may be all that is missing.
            delivery.deliver()
        except Exception as error:
            reason = masked(str(error))
            log.warning("results of an earlier sweep cannot be delivered: %s", reason)
        sweeping = _Sweep(study, home, options, watcher, journal, store, delivery)
        outcome = sweeping.run(checksum)
    return replace(outcome, wall_s=time.perf_counter() - started)


class _Sweep:
    """What the steps of one sweep share."""

    def __init__(
        self,
        study: StudySpec,
        home: Home,
        options: SweepOptions,
        watcher: SweepWatcher,
        journal: Journal,
        store: Store,
        delivery: Delivery,
    ) -> None:
        self.study, self.home, self.options, self.watcher = study, home, options, watcher
        self.journal, self.store, self.delivery = journal, store, delivery
        self.experiment_id = self.parent_run_id = ""
        self.cell_tags: dict[str, str] = {}
        self.num_copied = 0
        self.stems = StemStore(home.checkpoints / "stems")

    def run(self, checksum: str | None) -> Outcome:
        found = self.store.find_study(self.study)
        recorded = self.store.cells(found, self.study.variant) if found else []
        refuse_changed_labels(self.study, recorded)
        done = self._finished(recorded)
        if not self.study.is_searched:
            self.stems.tidy(expand(self.study), finished=done)
        failed = [cell.trial for cell in recorded if cell.state == vocabulary.FAILED]
        todo = plan(
            self.study,
            finished=done,
            share=self.options.share,
            left=self.stems.found(),
            only=failed if self.options.only_failed else None,
        )
        if todo.num_todo:
            self.cell_tags = {
                vocabulary.DATA_SHA256: checksum
                or data_checksum(self.study, self.options.data_dir),
                vocabulary.GIT_COMMIT: git_commit(),
            }
        opened = self.store.open_study(self.study, parent_tags(self.study))
        self.experiment_id, self.parent_run_id = opened
        self._copy_missing(recorded, done)
        if not todo.num_todo:
            self.watcher.planned(todo, slots=None)
            self.delivery.deliver()
            return self._outcome(todo)
        listener = self._train(todo, recorded)
        listener.interrupt()
        self.watcher.stopped()
        progress = listener.progress
        interrupted = progress.num_finished + progress.num_failed < todo.num_todo
        if self.delivery.close(within_s=DRAIN_S):
            self._conclude(interrupted=interrupted)
        return replace(
            self._outcome(todo),
            failures=tuple(listener.failures),
            num_finished=progress.num_finished,
            interrupted=interrupted,
            train_s=listener.train_s,
            track_s=listener.journal_s + self.delivery.busy_s,
        )

    def _conclude(self, *, interrupted: bool) -> None:
        """What is left to say to MLflow when it has every result."""
        recorded = self.store.cells(self.experiment_id, self.study.variant)
        # A trial may stand in two places of one study.
        self._copy_missing(recorded, self._finished(recorded))
        self.delivery.deliver()
        state = vocabulary.INTERRUPTED if interrupted else vocabulary.FINISHED
        self.store.set_state(self.parent_run_id, state, {})

    def _train(self, todo: Plan, recorded: Sequence[RecordedCell]) -> SweepListener:
        options, address = self.options, self.options.ray_address
        if address is None:
            # Known without Ray, so that what cannot be is said before it starts.
            slots = launch.num_slots(options.resources, launch.this_machine())
            self._announce(todo, slots)
        with launch.ray_session(address=address, folder=self.home.ray, verbose=options.verbose):
            if address is not None:
                slots = launch.num_slots(options.resources, launch.cluster_nodes())
                self._announce(todo, slots)
            self.delivery.start()
            work = self._work(todo)
            inherited = {
                key: todo.starts[cell.id].begins
                for key, cell in work.cells.items()
                if cell.id in todo.starts
            }
            progress = Progress(
                num_cells=todo.num_todo, epochs=todo.epochs_todo, inherited=inherited
            )
            listener = SweepListener(
                work=work,
                journal=self.journal,
                delivery=self.delivery,
                progress=progress,
                watcher=self.watcher,
                describe=self._describe,
                logs=self.home.logs / self.study.name,
            )
            self.watcher.began(progress)
            launch.launch(
                work,
                keys=list(work.cells),
                beginnings=self._beginnings(todo, work),
                search=self._search(todo, recorded),
                scheduler=_made(scaled_scheduler(self.study), SCHEDULERS),
                max_epochs=max(cell.train.epochs for cell in expand(self.study)),
                resources=options.resources,
                slots=slots,
                retries=self.study.retries,
                listener=listener,
                folder=self.home.ray / "tune",
                verbose=options.verbose,
            )
        return listener

    def _announce(self, todo: Plan, slots: int) -> None:
        self.watcher.planned(todo, slots=slots)
        store, run_id = self.store, self.parent_run_id
        store.set_state(run_id, vocabulary.RUNNING, self.cell_tags)
        if self.study.text:
            store.log_text(run_id, self.study.text, vocabulary.STUDY_ARTIFACT)
        content = json.dumps({**plan_content(todo), "slots": slots}, indent=1)
        store.log_text(run_id, content, vocabulary.PLAN_ARTIFACT)
        made_with = json.dumps(environment(), indent=1)
        store.log_text(run_id, made_with, vocabulary.ENVIRONMENT_ARTIFACT)

    def _work(self, todo: Plan) -> Work:
        resources = self.options.resources
        template = Job(
            train={},
            data_dir=self.options.data_dir,
            checkpoint_dir=self.home.checkpoints,
            checkpoints=self.study.checkpoint,
            device="cuda" if resources.gpus else "cpu",
            num_threads=max(1, int(resources.cpus)),
            deterministic=self.options.deterministic,
            # A scheduler compares trials epoch by epoch.
            report_every_s=0.0 if self.study.scheduler else 0.5,
        )
        cells = {cell_key(self.study, cell): cell for cell in todo.todo}
        return Work(study=self.study, cells=cells, template=template, stems=self.stems)

    def _beginnings(self, todo: Plan, work: Work) -> Beginnings | None:
        """Who waits for whom; None if nobody does."""
        if not todo.shares:
            return None
        return Beginnings(work.cells, left=todo.left, drop=self.stems.remove)

    def _search(self, todo: Plan, recorded: Sequence[RecordedCell]) -> launch.Search | None:
        searcher = _made(self.study.search, SEARCHERS)
        if searcher is None:
            return None
        axes = [axis for axis in self.study.axes if axis.searched]
        known = [
            (
                {
                    axis.name: float(cell.labels[axis.name])
                    if axis.domain
                    else cell.labels[axis.name]
                    for axis in axes
                },
                cell.objective,
            )
            for cell in recorded
            if cell.state == vocabulary.FINISHED and cell.objective is not None
        ]
        return launch.Search(axes=axes, searcher=searcher, num_samples=todo.num_todo, known=known)

    def _finished(self, recorded: Sequence[RecordedCell]) -> dict[str, str]:
        """Runs of this study's trials that need no training, wherever they are, by trial id."""
        finished = [cell for cell in recorded if cell.state == vocabulary.FINISHED]
        done = {cell.trial: cell.run_id for cell in finished}
        if self.study.is_searched:
            return done
        unknown = {cell.id for cell in expand(self.study)} - done.keys()
        return done | self.store.finished_elsewhere(unknown)

    def _copy_missing(self, recorded: Sequence[RecordedCell], done: Mapping[str, str]) -> None:
        """Gives cells whose trial is finished under another label or study its results."""
        if self.study.is_searched:
            return
        have = {cell.key for cell in recorded if cell.state == vocabulary.FINISHED}
        for cell in expand(self.study):
            if cell.id in done and cell_key(self.study, cell) not in have:
                self._copy(cell, done[cell.id])

    def _copy(self, cell: TrialSpec, run_id: str) -> None:
        tags = self.store.tags_of(run_id)
        kept = (
            vocabulary.WEIGHTS_SHA256,
            vocabulary.DATA_SHA256,
            vocabulary.GIT_COMMIT,
            vocabulary.STOPPED_EARLY,
            vocabulary.INHERITED,
        )
        description = self._describe(cell)
        self.journal.begin(description)
        self.journal.append(description.cell, self.store.points_of(run_id))
        copied = {key: tags[key] for key in kept if key in tags}
        copied[vocabulary.COPIED_FROM] = run_id
        self.journal.end(description.cell, vocabulary.FINISHED, copied)
        self.num_copied += 1
        log.info("%s was trained before, as run %s", cell.name, run_id)

    def _describe(self, cell: TrialSpec) -> CellDescription:
        return describe(
            cell,
            self.study,
            experiment_id=self.experiment_id,
            parent_run_id=self.parent_run_id,
            tags=self.cell_tags,
        )

    def _outcome(self, todo: Plan) -> Outcome:
        return Outcome(
            plan=todo,
            experiment_id=self.experiment_id,
            parent_run_id=self.parent_run_id,
            num_copied=self.num_copied,
            num_undelivered=self.journal.num_unsent(),
        )


def data_checksum(study: StudySpec, data_dir: Path) -> str:
    """Loads what the trials train on; SHA-256 of each data set.

    Raises:
        MissingDataError: If one is neither there nor to be downloaded.
    """
    sources = {(cell.train.data.source, cell.train.measure_test) for cell in expand(study)}
    return " ".join(
        SOURCES[source.name].load(data_dir, test, **source.options).checksum()
        for source, test in sorted(sources, key=str)
    )


def _made(component: Component | None, table: Mapping[str, Callable[..., T]]) -> T | None:
    return table[component.name](**component.options) if component else None
