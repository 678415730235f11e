"""What a sweep would do, from what is recorded; starts and writes nothing, reads no data."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from orchestrator import launch, vocabulary
from orchestrator.execution.options import SweepOptions
from orchestrator.fingerprint.code import this_code
from orchestrator.home import Home
from orchestrator.mlflow_reader.cells import RecordedCell, counted, recorded_cell
from orchestrator.mlflow_reader.reader import Reader, StoreError, told
from orchestrator.planning.disk import need
from orchestrator.planning.disk_check import NoRoomError, room
from orchestrator.planning.outlook import Basis, Expected, expected
from orchestrator.planning.planning import Plan, plan
from orchestrator.planning.stem_store import StemStore
from orchestrator.record.entries import Entry
from orchestrator.record.journal import Journal
from orchestrator.record.measured import basis_for
from orchestrator.study.spec import StudySpec
from orchestrator.study.teachers import runs_named
from orchestrator.vocabulary import State
from trainers.binding import options_of
from trainers.data import SOURCES
from trainers.storage import Place, place_at

MOST_CELLS = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What a sweep would do.

    Args:
        plan: Which trials remain.
        slots: Trials at a time.
        options: The options of the sweep, for this study.
        expected: How long it would take.
        bytes: What it would write.
        disk: The same with what is free, for people.
        notes: What is missing, or not known before the sweep begins.
    """

    plan: Plan
    slots: int
    options: SweepOptions
    expected: Expected
    bytes: int
    disk: str
    notes: tuple[str, ...] = ()


class Previews:
    """Previews of sweeps in one home, whose records are read once.

    Args:
        home: Where results are.
        options: How to sweep.
    """

    def __init__(self, home: Home, options: SweepOptions) -> None:
        self.home, self.options = home, options
        self.silence = ""
        """Why MLflow did not say what is recorded; empty: it did, or nothing was recorded."""

    def of(self, study: StudySpec) -> Preview:
        """What a sweep of this study would do.

        Raises:
            ResourceError: If a trial asks for more than this machine has.
        """
        options = self.options.of_study(study)
        slots, notes = self._slots(options)
        storage = _storage(study, self.home, options.storage)
        finished = self._finished(study)
        todo = plan(
            study,
            finished=finished,
            share=options.share,
            available=_stems(storage),
            only=self._failed(study) if options.only_failed else None,
        )
        wanted = need(todo, is_embedded=self.home.database is not None)
        disk = room(wanted, self.home, storage, force=True)
        try:
            room(wanted, self.home, storage, force=options.force)
        except NoRoomError as error:
            notes.append(str(error))
        if self.silence:
            notes.append(f"MLflow does not answer, so the journal alone counts: {self.silence}")
        notes += _not_known(study, options.data_dir)
        needs = options.resources
        return Preview(
            plan=todo,
            slots=slots,
            options=options,
            expected=expected(
                todo, slots=slots, basis=self._basis(todo), cpus=needs.cpus, gpus=needs.gpus
            ),
            bytes=wanted.checkpoints + wanted.home,
            disk=disk,
            notes=tuple(notes),
        )

    def with_options(self, options: SweepOptions) -> "Previews":
        """The same with other options, from the same records."""
        other = Previews(self.home, options)
        other.silence = self.silence
        other.__dict__ |= {"entries": self.entries, "cells": self.cells}
        return other

    def most_slots(self, study: StudySpec) -> int:
        """Trials that this machine has room for."""
        resources = replace(self.options.of_study(study).resources, concurrency=None)
        return launch.num_slots(resources, launch.this_machine())

    @cached_property
    def entries(self) -> list[Entry]:
        """The cells of the journal, newest first."""
        if not self.home.journal.exists():
            return []
        with closing(Journal(self.home.journal)) as journal:
            return journal.newest(most=MOST_CELLS)

    @cached_property
    def cells(self) -> list[RecordedCell]:
        """The finished cells of all studies in MLflow."""
        if self.home.database is not None and not self.home.database.exists():
            return []
        try:
            with told(self.home.tracking_uri):
                reader = Reader(self.home.tracking_uri)
                finished = {vocabulary.STATE: State.FINISHED.value}
                return counted(reader.cells(reader.studies(), finished))
        except StoreError as error:
            self.silence = str(error)
            return []

    def _slots(self, options: SweepOptions) -> tuple[int, list[str]]:
        asked = options.resources.concurrency
        if options.ray_address is None:
            slots = launch.num_slots(options.resources, launch.this_machine())
            is_less = asked is not None and slots < asked
            what = f"this machine has room for {slots} at a time, not for --concurrency {asked}"
            return slots, [what] if is_less else []
        slots = asked or launch.num_slots(options.resources, launch.this_machine())
        as_if = "as many slots as --concurrency" if asked else "the slots of this machine"
        return slots, [f"the cluster is not asked what it has; {as_if} are counted"]

    def _finished(self, study: StudySpec) -> set[str]:
        """Ids of trials that a sweep would count as finished."""
        code, own = this_code(), f"{study.key}/"
        entries = [entry for entry in self.entries if entry.state == State.FINISHED]
        found = {e.description.trial for e in entries if e.description.cell.startswith(own)}
        found |= {cell.trial for cell in self.cells if cell.key.startswith(own)}
        if study.is_searched:
            return found
        unknown = {cell.id for cell in study.trials} - found
        others = [entry for entry in entries if entry.description.trial in unknown]
        for cell in (*map(_cell_of, others), *self.cells):
            counts = cell.trial in unknown and not cell.is_stopped_early
            if counts and (self.options.accept_code or code.is_same(cell.code, cell.trained)):
                found.add(cell.trial)
        return found

    def _failed(self, study: StudySpec) -> set[str]:
        of_it = [entry for entry in self.entries if entry.description.study == study.key]
        return {entry.description.trial for entry in of_it if entry.state == State.FAILED}

    def _basis(self, todo: Plan) -> Basis:
        processes = self.options.resources.processes
        if not self.home.journal.exists():
            return basis_for(todo, None, self.cells, processes=processes)
        with closing(Journal(self.home.journal)) as journal:
            return basis_for(todo, journal, self.cells, processes=processes)


def _storage(study: StudySpec, home: Home, asked: str | None) -> Place:
    named = asked or study.checkpoint.storage
    return place_at(named) if named else home.checkpoints


def _stems(storage: Place) -> frozenset[str]:
    """The shared checkpoints that are there; those that cannot be seen are trained again."""
    try:
        return StemStore(storage / "stems").found()
    except OSError:
        return frozenset()


def _not_known(study: StudySpec, data_dir: Path) -> list[str]:
    """What is missing of a study's data, and of its teachers."""
    notes = []
    sources = {stage.data.source for cell in study.trials for stage in cell.train.stages}
    missing = [one for one in sources if not _is_there(one.name, one.options, data_dir)]
    folders = {_folder(one.name, one.options, data_dir) for one in missing} - {None}
    names = {one.name for one in missing if _folder(one.name, one.options, data_dir) is None}
    if folders:
        text = ", ".join(sorted(map(str, folders)))
        notes.append(f"data that is missing, without which a sweep does not begin: {text}")
    if names:
        text = f"{' and '.join(sorted(names))}, looked for in {data_dir}"
        notes.append(f"data that is not there yet: {text}; a sweep fetches what it can")
    if runs_named(study.trials):
        when = "which ones, and so which cells are finished, a sweep finds out when it begins"
        notes.append(f"runs teach these cells; {when}")
    return notes


def _is_there(name: str, options: Mapping[str, object], data_dir: Path) -> bool:
    folder = _folder(name, options, data_dir)
    if folder is not None:
        return folder.exists()
    return all((data_dir / file).exists() for file in SOURCES[name].files)


def _folder(name: str, options: Mapping[str, object], data_dir: Path) -> Path | None:
    """The folder that a user must bring; None: a sweep fetches the data set, or it needs none."""
    source = SOURCES[name]
    option = options_of(source.load).get("folder")
    folder = options.get("folder", option.default if option else source.folder)
    return data_dir / Path(folder).expanduser() if isinstance(folder, str) and folder else None


def _cell_of(entry: Entry) -> RecordedCell:
    description = entry.description
    return recorded_cell(
        {**description.tags, **entry.tags, vocabulary.STATE: entry.state},
        run_id=entry.run_id or "",
        name=description.name,
        params={},
        metrics={},
    )
