"""Runs trials in Ray Tune's loop and passes its events to a listener."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import ray.tune.tune as tune_run
from ray import tune
from ray.tune.search import SearchAlgorithm
from ray.tune.search import Searcher as TuneSearcher

from orchestrator import vocabulary
from orchestrator.launch.draws import MOST_TRIES
from orchestrator.launch.group import RankGroup
from orchestrator.launch.jobs import Jobs
from orchestrator.launch.lost_workers import told_as_dead_actors
from orchestrator.launch.parts import (
    ReadyCells,
    Search,
    StopRequest,
    checked,
    limited,
    search_parts,
    tune_scheduler,
)
from orchestrator.launch.report import EpochReport, GivenBack
from orchestrator.launch.resources import Resources
from orchestrator.launch.slots import Slots
from orchestrator.launch.worker import train_cell
from orchestrator.planning.sharing import Beginnings
from orchestrator.process import signals
from orchestrator.process.foothold import leave_folder
from orchestrator.study.search import Scheduler


class Listener(Protocol):
    """Receives events in Tune's loop on the driver; must be quick and must not raise."""

    def started(self, config: Mapping[str, Any]) -> None:
        """A worker starts a cell, or restarts it after a failure."""

    def reported(self, key: str, report: EpochReport) -> None:
        """A cell reports its progress."""

    def ended(self, key: str) -> None:
        """A cell is trained, or the scheduler stopped it."""

    def failed(self, key: str, *, reason: str, details: str, final: bool) -> None:
        """A cell failed; unless `final`, it is retried."""

    def gave_back(self, key: str, *, reason: str) -> None:
        """A cell gives its place back; it is still open, and trained later."""

    def draining(self, *, share: float, then: float) -> None:
        """A cell had too little memory with its share of a GPU: no other cell begins for now.

        When those that run have ended, each gets the share `then`.
        """

    def resized(self, *, before: int, now: int) -> None:
        """Another number of trials can run at once, because nodes came or left."""

    def tick(self) -> None:
        """Called several times a second."""

    def stopping(self, *, at_once: bool) -> None:
        """A stop is requested: running cells finish their epoch, unless they end at once.

        A signal handler calls it: it must not print.
        """


def launch(
    work: Jobs,
    *,
    cells: Beginnings | Search,
    scheduler: Scheduler | None,
    max_epochs: int,
    slots: Slots,
    retries: int,
    listener: Listener,
    folder: Path,
    verbose: bool,
) -> bool:
    """Runs all available cells, or as many trials as a search asks for.

    After the first of `signals.WARNINGS`, such as Ctrl-C, running trials finish their epoch. The
    second, or one of `signals.ENDS`, such as SIGTERM, stops them at once.

    Args:
        work: Maps each configuration to its cell and job.
        cells: Hands out the cells, or says how a search draws them.
        scheduler: Stops bad trials early; None: every trial trains all its epochs.
        max_epochs: Most epochs of a trial.
        slots: The resources of each trial, and how many run at once.
        retries: How often a failed cell is retried.
        listener: Told about all events.
        folder: Where Tune writes; its files are deleted afterwards unless `verbose`.
        verbose: Show Tune's output.

    Returns:
        Whether it ended without a stop request.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"sweep-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    space, algorithm, num_samples = _drawn(cells)
    stop = StopRequest()
    tuner = tune.Tuner(
        _reserving(work, cells, slots.resources),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=vocabulary.OBJECTIVE,
            mode="min",
            num_samples=num_samples,
            search_alg=limited(algorithm, slots=slots, stop=stop),
            scheduler=tune_scheduler(scheduler, max_epochs=max_epochs),
            reuse_actors=True,
            # Tune's own name has the labels in it, which may be anything.
            trial_dirname_creator=_folder_name,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder),
            verbose=1 if verbose else 0,
            callbacks=[_Bridge(listener, work, slots)],
            stop=_AtEpochEnd(stop),
            failure_config=tune.FailureConfig(max_failures=retries),
        ),
    )
    with told_as_dead_actors(), _stopped_by_signals(stop, listener):
        tuner.fit()
    if not verbose:
        shutil.rmtree(folder / name, ignore_errors=True)
    return not stop.is_made


def _drawn(
    cells: Beginnings | Search,
) -> tuple[dict[str, Any], SearchAlgorithm | TuneSearcher, int]:
    """Tune's search space, its searcher, and the number of samples."""
    if isinstance(cells, Search):
        space, algorithm = search_parts(cells)
        if cells.draws is None:
            return space, algorithm, cells.num_samples
        # Draws that are no trials count as samples of Tune; `draws` knows when it is enough.
        return space, checked(algorithm, cells.draws), cells.num_samples * MOST_TRIES
    return {}, ReadyCells(cells), len(cells)


def _reserving(work: Jobs, cells: Beginnings | Search, resources: Resources) -> Any:
    """What trains a cell, with what Tune reserves for it."""
    # What a search draws cannot be handed out again.
    yields = isinstance(cells, Beginnings) and resources.memory_share < 1
    trainable = tune.with_parameters(_trainable, work=work, resources=resources, yields=yields)
    return tune.with_resources(trainable, _asked(resources))


def _folder_name(trial: Any) -> str:
    """The name of a trial's folder below Tune's."""
    return str(trial.trial_id)


def _asked(resources: Resources) -> dict[str, float] | tune.PlacementGroupFactory:
    """What Tune reserves for a trial: all its processes start, or none."""
    if resources.processes == 1:
        return {"cpu": resources.cpus, "gpu": resources.gpus}
    bundles = [dict(resources.bundle) for _ in range(resources.processes)]
    return tune.PlacementGroupFactory(bundles, strategy="PACK")


def _trainable(config: dict[str, Any], *, work: Jobs, resources: Resources, yields: bool) -> None:
    leave_folder()
    job = replace(work.job(config), memory_share=resources.memory_share, yields=yields)
    group = None if resources.processes == 1 else RankGroup(job, resources)
    train_cell(job, lambda report: tune.report(report.to_plain()), group=group)


class _Bridge(tune.Callback):
    """Passes Tune's events to the listener; Tune pickles it, without the listener."""

    def __init__(self, listener: Listener, work: Jobs, slots: Slots) -> None:
        self.listener: Listener | None = listener
        self.work: Jobs | None = work
        self.slots: Slots | None = slots
        self._begun: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"listener": None, "work": None, "slots": None, "_begun": set()}

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        if self.listener:
            self._begun.add(self._key(trial))
            self.listener.started(trial.config)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        report = EpochReport.from_result(result)
        if self.listener and report:
            self.listener.reported(self._key(trial), report)
        given_back = GivenBack.from_result(result)
        if self.listener and self.slots and given_back:
            if not self.slots.is_draining:
                shares = self.slots.resources.memory_share, self.slots.relaxed.memory_share
                self.listener.draining(share=shares[0], then=shares[1])
            self.slots.is_draining = True
            self.listener.gave_back(self._key(trial), reason=given_back.reason)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        if self.listener and GivenBack.from_result(trial.last_result) is None:
            self.listener.ended(self._key(trial))

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._failed(trial, final=False)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._failed(trial, final=True)

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        if self.listener and self.slots:
            before = self.slots.recount()
            if before is not None:
                self.listener.resized(before=before, now=self.slots.num)
            self.listener.tick()

    def _failed(self, trial: Any, *, final: bool) -> None:
        if self.listener:
            if self._key(trial) not in self._begun:
                # The worker could not even take the cell; Tune tells of no start then.
                self.on_trial_start(0, [], trial)
            reason, details = _failure(trial)
            self.listener.failed(self._key(trial), reason=reason, details=details, final=final)

    def _key(self, trial: Any) -> str:
        assert self.work is not None
        return self.work.key(trial.config)


def _failure(trial: Any) -> tuple[str, str]:
    """Why a trial failed: the reason in one line, and all details."""
    # Tune also pickles the error, but the text says as much and is safe to read.
    path = Path(trial.error_file or "")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return failure_reason(details := text.rpartition("Failure # ")[2]), details


def failure_reason(details: str) -> str:
    """Finds the reason in Tune's text about a failure: a traceback, or how an actor died."""
    lines = [line.strip() for line in details.splitlines() if line.strip()]
    if any(
        "ray.exceptions.OutOfMemoryError" in line or "running low on memory" in line
        for line in lines
    ):
        return "out of memory: Ray killed the worker before the machine ran out"
    if any("actor died" in line.lower() or "ActorDiedError" in line for line in lines):
        return "the worker process died (killed, or out of memory)"
    # Tune writes the first line: the number and the time of the failure.
    if len(lines) < 2:
        return "unknown reason"
    kind, colon, message = lines[-1].partition(": ")
    # Drops the module from `trainers.errors.BadLossError: ...`.
    is_name = all(part.isidentifier() for part in kind.split("."))
    return f"{kind.rpartition('.')[2]}{colon}{message}" if is_name else lines[-1]


class _AtEpochEnd(tune.Stopper):
    """Stops each trial at its next report once a stop is requested."""

    def __init__(self, stop: StopRequest) -> None:
        self.stop = stop

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return self.stop.is_made

    def stop_all(self) -> bool:
        """Never, because running trials finish their epoch."""
        return False


@contextlib.contextmanager
def _stopped_by_signals(stop: StopRequest, listener: Listener) -> Iterator[threading.Event]:
    """Handles signals while Tune runs; only a main thread receives them.

    Tune's own handlers are left out. They would be set for SIGUSR1 alone, and they stay set.

    Yields:
        Once it is set, Tune stops its trials and returns.
    """
    at_once = threading.Event()

    def interrupt(number: int) -> None:
        if stop.is_made or number in signals.ENDS:
            at_once.set()
        stop.is_made = True
        listener.stopping(at_once=at_once.is_set())

    usual = tune_run._setup_signal_catching
    tune_run._setup_signal_catching = lambda: at_once
    try:
        with signals.handled_by(interrupt):
            yield at_once
    finally:
        tune_run._setup_signal_catching = usual
