"""Runs one sweep of a study: finds the recorded results, trains and records the rest."""

import contextlib
import logging
import time
from dataclasses import replace
from functools import partial

from orchestrator import launch, vocabulary
from orchestrator.environment import git_commit
from orchestrator.execution.drain import DRAIN_S, drained
from orchestrator.execution.jobs import jobs_of, packed
from orchestrator.execution.leases import Leases
from orchestrator.execution.listener import SweepListener
from orchestrator.execution.lost_cluster import watched_head
from orchestrator.execution.options import SweepOptions
from orchestrator.execution.outcome import Outcome, SweepWatcher
from orchestrator.execution.rounds import Rounds
from orchestrator.execution.study_texts import study_texts, trained_by
from orchestrator.fingerprint.code import this_code
from orchestrator.free_space import told_if_full
from orchestrator.home import Home
from orchestrator.launch.slots import Nodes, Slots
from orchestrator.masking import masked
from orchestrator.planning.checksums import data_checksums
from orchestrator.planning.disk import need
from orchestrator.planning.disk_check import room
from orchestrator.planning.files import check_files
from orchestrator.planning.outlook import Basis, expected
from orchestrator.planning.planning import Plan, plan
from orchestrator.planning.stem_store import StemStore
from orchestrator.process import signals
from orchestrator.process.waiting import waiting_for
from orchestrator.record.board import board_of
from orchestrator.record.conflicts import (
    refuse_changed_labels,
    refuse_other_values,
    study_record,
)
from orchestrator.record.delivery import Delivery
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.describe import describe
from orchestrator.record.entries import CellDescription
from orchestrator.record.journal import Journal
from orchestrator.record.known import Recorded, deliver_what_waits
from orchestrator.record.measured import basis_for
from orchestrator.record.other_code import accepted_tags, refuse_other_code
from orchestrator.record.other_data import StudyData, refuse_other_data
from orchestrator.record.other_epochs import begun_anew
from orchestrator.record.overview_writer import OverviewWriter
from orchestrator.record.store import Store
from orchestrator.record.store_lock import StudyHold
from orchestrator.study.cells import Cell
from orchestrator.study.checkpointing import place_of
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State
from trainers.storage import Place

log = logging.getLogger(__name__)


def sweep(study: StudySpec, home: Home, options: SweepOptions, watcher: SweepWatcher) -> Outcome:
    """Trains the remaining cells of a study and records the results.

    Args:
        study: The checked study.
        home: Where results are stored.
        options: How to run.
        watcher: Told about the sweep's events.

    Raises:
        OrchestratorError: As for `orchestrator.sweep`, which lists each kind.
    """
    started = time.perf_counter()
    options = options.of_study(study)
    if options.ray_address is None:
        launch.num_slots(options.resources, launch.this_machine())
        launch.session_parent(home.ray)
    # A new store is empty, so every cell needs its data: check that before writing anything.
    is_new = home.database is not None and not home.database.exists()
    data = StudyData(study, lambda: data_checksums(study, options.data_dir))
    if is_new:
        data.load()
    with waiting_for("the storage of checkpoints to answer"):
        storage = place_of(study.checkpoint, home, asked=options.storage)
    # Tune and MLflow may also hit a full disk; the journal raises DiskFullError by itself.
    with told_if_full(home.root):
        store = Store(home)
        silence = store.silence()
        with contextlib.ExitStack() as stack:
            with waiting_for(f"the journal, {home.journal}"):
                journal = stack.enter_context(contextlib.closing(Journal(home.journal)))
                leases = stack.enter_context(contextlib.closing(Leases(home.journal)))
            stack.enter_context(leases.renewed())
            delivery = Delivery(journal, store)
            stack.callback(delivery.close, within_s=0)
            if silence is None:
                with waiting_for("MLflow to take what an earlier sweep left"):
                    deliver_what_waits(delivery)
            delivery.last_error = silence
            with waiting_for("MLflow to say what is recorded"):
                known = Recorded(
                    study,
                    journal,
                    None if silence else store,
                    code=this_code(),
                    accepts_code=options.accept_code,
                    has_our_data=data.has_trained,
                )
            sweeping = _Sweep(
                study, home, options, watcher, journal, leases, delivery, known, storage, data
            )
            outcome = sweeping.run()
    return replace(outcome, wall_s=time.perf_counter() - started)


class _Sweep:
    """The state that the steps of one sweep share."""

    def __init__(
        self,
        study: StudySpec,
        home: Home,
        options: SweepOptions,
        watcher: SweepWatcher,
        journal: Journal,
        leases: Leases,
        delivery: Delivery,
        recorded: Recorded,
        storage: Place,
        data: StudyData,
    ) -> None:
        self.study, self.home, self.options, self.watcher = study, home, options, watcher
        self.journal, self.leases, self.delivery = journal, leases, delivery
        self.recorded, self.data = recorded, data
        self.cell_tags: dict[str, str] = {}
        self.num_copied = 0
        self.storage, self.stems = storage, StemStore(storage / "stems")
        self.disk, self.anew, self.basis = "", "", Basis()
        self.record = study_record(study)
        self.overview: OverviewWriter | None = None

    def run(self) -> Outcome:
        with waiting_for("the recorded results to be compared with the study"):
            todo = self._plan()
        if self.options.accept_code:
            self._accept_code()
        if todo.num_todo:
            self._prepare(todo)
        with self._hold(todo) if todo.num_todo else contextlib.nullcontext():
            self.journal.begin_study(self.record)
            self._copy_missing()
            return self._trained(todo) if todo.num_todo else self._nothing_to_train(todo)

    def _plan(self) -> Plan:
        recorded = self.recorded
        refuse_other_values(self.study, recorded.variants)
        refuse_changed_labels(self.study, recorded.cells)
        if not self.study.is_searched:
            self.stems.tidy(self.study.trials, finished=recorded.finished)
        failed = [cell.trial for cell in recorded.cells if cell.state == State.FAILED]
        return plan(
            self.study,
            finished=recorded.finished,
            share=self.options.share,
            available=self.stems.found(),
            only=failed if self.options.only_failed else None,
        )

    def _prepare(self, todo: Plan) -> None:
        """Checks code, disk and data before anything is trained."""
        code, commit = self.recorded.code, git_commit()
        if not self.options.accept_code:
            refuse_other_code(self.study, self.recorded.cells, code=code, commit=commit)
        refuse_other_data(
            self.study, self.recorded.begun(), data=self.data, folder=self.options.data_dir
        )
        check_files(self.study, todo, data_dir=self.options.data_dir)
        self.anew = begun_anew(todo, self.recorded)
        wanted = need(todo, is_embedded=self.home.database is not None)
        self.disk = room(wanted, self.home, self.storage, force=self.options.force)
        self.cell_tags |= {
            vocabulary.DATA_SHA256: self.data.load(),
            vocabulary.GIT_COMMIT: commit,
        }

    def _accept_code(self) -> None:
        counted = (*self.recorded.cells, *self.recorded.finished.values())
        self.cell_tags = accepted_tags(counted, self.recorded.code)
        self.record = replace(self.record, tags={**self.record.tags, **self.cell_tags})

    def _nothing_to_train(self, todo: Plan) -> Outcome:
        self.watcher.planned(todo, slots=None)
        # The last sweep may have been killed before it said so, or have had nothing to train.
        if todo.is_finished and not self.recorded.is_closed:
            self.record = replace(self.record, state=State.FINISHED)
            self.journal.begin_study(self.record)
        if self.recorded.store is not None:
            self._deliver_now()
            if self.num_copied or self.record.state:
                self._overview().finish()
        return self._outcome(todo)

    def _trained(self, todo: Plan) -> Outcome:
        try:
            listener = self._train(todo)
        except BaseException:
            self._break_off()
            raise
        if listener.refused is not None:
            raise listener.refused
        # Two cells of a study may have the same trial, or another sweep may have trained it.
        self._copy_missing()
        is_over = listener.progress.is_over
        state = State.FINISHED if is_over else State.INTERRUPTED
        self._close(state)
        return replace(
            self._outcome(todo),
            failures=tuple(listener.failures),
            num_finished=listener.progress.num_finished,
            interrupted=not is_over,
            train_s=listener.train_s,
            track_s=listener.journal_s + self.delivery.busy_s,
        )

    def _close(self, state: State, within_s: float = DRAIN_S) -> None:
        """Records how the sweep ended, and delivers what remains, as far as there is time."""
        self.record = replace(self.record, state=state)
        self.journal.begin_study(self.record)
        is_delivered = drained(
            self.delivery,
            is_embedded=self.home.database is not None,
            is_over=state == State.FINISHED,
            within_s=within_s,
        )
        if is_delivered and self.overview is not None:
            self.overview.finish()

    def _overview(self) -> OverviewWriter:
        board = board_of(self.study, self.recorded.cells, holder_of=self.leases.holder_of)
        return OverviewWriter(board, self.journal, self.home, self.record)

    def _break_off(self) -> None:
        """Records that the sweep was interrupted, if it had begun; whatever ended it goes on."""
        if self.record.state != State.RUNNING:
            return
        try:
            self._close(State.INTERRUPTED)
        except Exception as error:
            log.warning("the end of the sweep cannot be recorded: %s", masked(str(error)))

    def _hold(self, todo: Plan) -> contextlib.AbstractContextManager[object]:
        """Locks the study in a shared store against other homes; inside a home, leases do that."""
        if self.recorded.store is None or self.home.owns_store:
            return contextlib.nullcontext()
        with waiting_for("MLflow to open the study"):
            # A client of its own, which waits for no other one's answers.
            store = Store(self.home)
            ids = store.open_study(self.record)
        hold = StudyHold(
            store,
            ids,
            home=self.journal.home,
            holder=self.leases.holder,
            name=f"{self.leases.name}, {self.home.root}",
            lives=self.leases.lives,
            trials=() if self.study.is_searched else [cell.id for cell in todo.todo],
        )
        return hold.held()

    def _deliver_now(self) -> None:
        try:
            with waiting_for("MLflow to take the last results"):
                self.delivery.deliver()
        except InUseError:
            # Another process delivers this journal, with our results.
            log.info("another process delivers from %s", self.home.journal)

    def _copy_missing(self) -> None:
        with waiting_for("results of other studies to be copied"):
            self.num_copied += self.recorded.copy_missing(self.cell_tags)

    def _train(self, todo: Plan) -> SweepListener:
        options, address = self.options, self.options.ray_address
        if self.study.is_searched:
            self._draw_alone()
        nodes: Nodes = launch.this_machine if address is None else launch.cluster_nodes
        slots: Slots | None = None
        if address is None:
            # Computed without Ray, so that an impossible request fails before Ray starts.
            slots = Slots(options.resources, nodes)
            if not options.resources.packs:
                self._announce(todo, slots.num)
        num_workers = min(slots.num, todo.num_todo) * options.resources.processes if slots else 0
        with launch.ray_session(
            address=address,
            folder=self.home.ray,
            verbose=options.verbose,
            num_workers=num_workers,
            cpus=options.resources.cpus_each,
        ):
            if address is not None:
                launch.wait_for_nodes(options.resources, options.min_nodes)
            if slots is None or options.resources.packs:
                slots = self._slots(todo, nodes)
            self.delivery.start()
            work = jobs_of(todo, self.options, self.storage, self.stems)
            known, stems = self.recorded, self.stems
            rounds = Rounds(todo, work, known, self.leases, stems, slots=slots, basis=self.basis)
            overview = self.overview = self._overview()
            listener = SweepListener(
                work=rounds.work,
                journal=self.journal,
                leases=self.leases,
                delivery=self.delivery,
                progress=rounds.progress,
                board=overview.board,
                watcher=self.watcher,
                describe=self._describe,
                logs=self.home.logs / self.study.name,
            )
            self.watcher.began(rounds.progress, overview.board)
            try:
                with overview.renewed(), self._watched_head(listener):
                    rounds.run(
                        listener,
                        self.watcher,
                        folder=self.home.ray / "tune",
                        verbose=options.verbose,
                    )
            finally:
                # Before Ray ends, which takes seconds: the system may kill this process soon.
                with signals.deferred(drop=True):
                    listener.interrupt()
                self.watcher.stopped()
        return listener

    def _watched_head(self, listener: SweepListener) -> contextlib.AbstractContextManager[None]:
        if self.options.ray_address is None:
            return contextlib.nullcontext()
        close = partial(self._close, State.INTERRUPTED)
        return watched_head(listener, self.watcher, title=self.study.title, close=close)

    def _draw_alone(self) -> None:
        """Claims the search, because two processes would draw the same trials for it."""
        what = f"search {self.record.key}"
        if not self.leases.claim(what):
            holder = self.leases.holder_of(what) or "another process"
            raise InUseError(
                f"{holder} is running the search '{self.study.name}'; wait for its end"
            )

    def _slots(self, todo: Plan, nodes: Nodes) -> Slots:
        """Counts slots, and says how many there are; with Ray there, memory can be measured."""
        told = ""
        if self.options.resources.packs:
            self.options, told = packed(todo, self.options, self.storage, nodes())
        moves = self.options.ray_address is not None
        slots = Slots(self.options.resources, nodes, moves=moves)
        self._announce(todo, slots.num)
        if told:
            self.watcher.cell_noted(self.study.title, note=told)
        return slots

    def _announce(self, todo: Plan, slots: int) -> None:
        processes = self.options.resources.processes
        needs, cells = self.options.resources, self.recorded.everywhere
        self.basis = basis_for(todo, self.journal, cells, processes=processes)
        likely = expected(todo, slots=slots, basis=self.basis, cpus=needs.cpus, gpus=needs.gpus)
        self.watcher.planned(
            todo, slots=slots, disk=self.disk, processes=processes, expected=likely
        )
        if self.anew:
            self.watcher.cell_noted(self.study.title, note=self.anew)
        if self.delivery.last_error is not None and self.recorded.store is None:
            self.watcher.silent(self.delivery.last_error, journal=self.home.journal)
        code = self.recorded.code
        texts = study_texts(todo, slots=slots, processes=processes, code=code)
        tags = {**self.record.tags, **self.cell_tags, vocabulary.CODE: code.of(*trained_by(todo))}
        self.record = replace(self.record, state=State.RUNNING, texts=texts, tags=tags)
        self.journal.begin_study(self.record)

    def _describe(self, cell: Cell) -> CellDescription:
        code = self.recorded.code.of(cell.train.to_mapping())
        tags = {**self.cell_tags, vocabulary.CODE: code}
        if (num := self.options.resources.processes) > 1:
            tags[vocabulary.PROCESSES] = str(num)
        return describe(cell, self.study, tags=tags)

    def _outcome(self, todo: Plan) -> Outcome:
        return Outcome(
            plan=todo,
            num_copied=self.num_copied,
            num_undelivered=len(self.journal.undelivered(study=self.record.key)),
        )
