"""Trials through Ray Tune; the only module that imports Ray.

Ray schedules trials, it does not define them: a trial reaches Tune as the key of a cell (or, in a
search, as what the searcher drew), and every result goes to a listener as it arrives.
"""

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestrator import vocabulary
from orchestrator.axes import Axis
from orchestrator.search import (
    AshaScheduler,
    MedianScheduler,
    OptunaSearch,
    RandomSearch,
    Scheduler,
    Searcher,
)
from orchestrator.worker import Job, Report, train_cell

# Read when ray is imported: no telemetry, no output but ours, no change of folder.
os.environ.update(
    {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
    }
)

import ray
from ray import tune
from ray.tune.schedulers import (
    ASHAScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)
from ray.tune.search import BasicVariantGenerator, SearchAlgorithm
from ray.tune.search import Searcher as TuneSearcher

log = logging.getLogger(__name__)

WORKER_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # glibc gives a thread's large blocks back at once, and training allocates them in every step;
    # with these it keeps up to 256 MB: a tenth of the time of a small network.
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
}
CONNECT_S = 10.0
LONGEST_RAY_FOLDER = 40
"""Characters; Ray puts sockets below it, whose paths may have 107 in all."""
SESSION_PREFIX = "bnn"
OBJECT_STORE_BYTES = 200 * 2**20


class ResourceError(RuntimeError):
    """A trial asks for more than the machine or cluster has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """What each trial gets, and how many run at once.

    Args:
        cpus: CPUs of a trial; torch gets as many threads.
        gpus: GPUs of a trial; a fraction shares one.
        concurrency: Trials at once at most; None: as many as fit.
    """

    cpus: float = 1
    gpus: float = 0
    concurrency: int | None = None


class Work(Protocol):
    """Which job a Tune configuration stands for; pickled to the workers."""

    def job(self, config: Mapping[str, Any]) -> Job:
        """What the worker does."""
        ...

    def key(self, config: Mapping[str, Any]) -> str:
        """The cell it belongs to."""
        ...


class Listener(Protocol):
    """Told of what happens, on the driver, in Tune's loop: must be quick and must not raise."""

    def started(self, config: Mapping[str, Any]) -> None:
        """A worker begins with a cell, or begins again after a failure."""

    def reported(self, key: str, report: Report) -> None:
        """A cell has trained further."""

    def ended(self, key: str) -> None:
        """A cell is trained, or was stopped by the scheduler."""

    def failed(self, key: str, *, reason: str, details: str, final: bool) -> None:
        """A cell failed; unless `final` it is tried again."""

    def tick(self) -> None:
        """Called several times a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """How configurations are drawn.

    Args:
        axes: The searched axes.
        searcher: Who draws.
        num_samples: How many more.
        known: Configurations measured earlier, with their objectives.
    """

    axes: Sequence[Axis]
    searcher: Searcher
    num_samples: int
    known: Sequence[tuple[Mapping[str, Any], float]] = ()


@contextlib.contextmanager
def ray_session(*, address: str | None, folder: Path, verbose: bool) -> Iterator[None]:
    """Ray, joined at an address or started here and ended with the block.

    Args:
        address: A running cluster; None: an embedded one.
        folder: Where an embedded one keeps its files.
        verbose: Let it speak.

    Raises:
        ResourceError: If there is no cluster at the address.
    """
    level = logging.INFO if verbose else logging.ERROR
    logging.getLogger("ray").setLevel(level)
    logging.getLogger("ray.tune").setLevel(level)
    common: dict[str, Any] = {"log_to_driver": verbose, "logging_level": level}
    if address is not None:
        _refuse_silent(address)
        try:
            ray.init(address=address, runtime_env={"env_vars": WORKER_ENVIRONMENT}, **common)
        except (ConnectionError, ValueError, RuntimeError) as error:
            what = f"no Ray cluster answers at '{address}' ({str(error).splitlines()[0]})"
            raise ResourceError(what) from error
        session = None
    else:
        session = _embedded_folder(folder)
        # A token of our own spares Ray the writing of one to the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # Its processes inherit the environment; a runtime_env would start one more.
        os.environ.update(WORKER_ENVIRONMENT)
        ray.init(
            address="local",
            num_cpus=int(this_machine()[0]["CPU"]),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            _temp_dir=str(session),
            **common,
        )
    try:
        yield
    finally:
        ray.shutdown()
        if session is not None and not verbose:
            shutil.rmtree(session, ignore_errors=True)


def this_machine() -> list[Mapping[str, float]]:
    """What an embedded Ray would have to give: one node."""
    import torch

    return [{"CPU": len(os.sched_getaffinity(0)), "GPU": torch.cuda.device_count()}]


def cluster_nodes() -> list[Mapping[str, float]]:
    """What each node of the Ray that is joined has to give."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def num_slots(resources: Resources, nodes: Sequence[Mapping[str, float]]) -> int:
    """How many trials can run at once on these nodes.

    Raises:
        ResourceError: If not even one can, now or ever.
    """
    for kind, asked in (("CPU", resources.cpus), ("GPU", resources.gpus)):
        most = max((node.get(kind, 0) for node in nodes), default=0)
        if asked > most:
            flag = f"--{kind.lower()}s-per-trial"
            what = f"a trial asks for {asked:g} {kind}s, but no node has more than {most:g}"
            raise ResourceError(f"{what}; lower {flag}")
    slots = sum(_fit(node, resources) for node in nodes)
    if slots == 0:
        what = f"no node has {resources.cpus:g} CPUs and {resources.gpus:g} GPUs together"
        raise ResourceError(f"{what}; lower --cpus-per-trial or --gpus-per-trial")
    return min(slots, resources.concurrency or slots)


def launch(
    work: Work,
    *,
    keys: Sequence[str],
    search: Search | None,
    scheduler: Scheduler | None,
    max_epochs: int,
    resources: Resources,
    slots: int,
    retries: int,
    listener: Listener,
    folder: Path,
    verbose: bool,
) -> None:
    """Runs all cells, or as many as a search asks for; returns when none is left or on a signal.

    Args:
        work: What each configuration means.
        keys: The cells to run; empty for a search.
        search: How configurations are drawn, if they are.
        scheduler: What stops hopeless trials, if anything.
        max_epochs: Most epochs of a trial.
        resources: What each trial gets.
        slots: Trials at once.
        retries: Further tries of a cell that failed.
        listener: Told of everything.
        folder: Where Tune writes; emptied afterwards.
        verbose: Let Tune speak.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"sweep-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
    space: dict[str, Any] = {"cell": tune.grid_search(list(keys))}
    algorithm: SearchAlgorithm | TuneSearcher = BasicVariantGenerator()
    num_samples = 1
    if search is not None:
        space, algorithm = _search_parts(search)
        num_samples = search.num_samples
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_trainable, work=work),
            {"cpu": resources.cpus, "gpu": resources.gpus},
        ),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=vocabulary.OBJECTIVE,
            mode="min",
            num_samples=num_samples,
            search_alg=algorithm,
            scheduler=_scheduler(scheduler, max_epochs=max_epochs),
            max_concurrent_trials=slots,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=str(folder),
            verbose=1 if verbose else 0,
            callbacks=[_Bridge(listener, work)],
            failure_config=tune.FailureConfig(max_failures=retries),
        ),
    )
    with _terminated_like_interrupted():
        tuner.fit()
    if not verbose:
        shutil.rmtree(folder / name, ignore_errors=True)


def _trainable(config: dict[str, Any], *, work: Work) -> None:
    # Tune finds nothing to compare by in a report without its metric, so each has it.
    train_cell(work.job(config), lambda report: tune.report(dict(report)))


class _Bridge(tune.Callback):
    """Passes Tune's events on; itself pickled with the experiment, it leaves the listener out."""

    def __init__(self, listener: Listener, work: Work) -> None:
        self.listener: Listener | None = listener
        self.work: Work | None = work

    def __getstate__(self) -> dict[str, Any]:
        return {"listener": None, "work": None}

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        if self.listener:
            self.listener.started(trial.config)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if self.listener and "points" in result:
            self.listener.reported(self._key(trial), result)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        if self.listener:
            self.listener.ended(self._key(trial))

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._failed(trial, final=False)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._failed(trial, final=True)

    def on_step_end(self, iteration: int, trials: Any, **info: Any) -> None:
        if self.listener:
            self.listener.tick()

    def _failed(self, trial: Any, *, final: bool) -> None:
        if self.listener:
            reason, details = _failure(trial)
            self.listener.failed(self._key(trial), reason=reason, details=details, final=final)

    def _key(self, trial: Any) -> str:
        assert self.work is not None
        return self.work.key(trial.config)


def _failure(trial: Any) -> tuple[str, str]:
    """Why a trial failed, in one line, and all that is known."""
    error = trial.get_pickled_error()
    if error is None:
        return "unknown reason", ""
    details = str(error)
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "out of memory: Ray ended the worker before the machine ran out", details
    if isinstance(error, ray.exceptions.RayActorError):
        return "the worker process died (killed, or out of memory)", details
    cause = getattr(error, "cause", None)
    if isinstance(cause, BaseException):
        lines = str(cause).strip().splitlines()
        return f"{type(cause).__name__}: {lines[0] if lines else 'no message'}", details
    lines = details.strip().splitlines()
    return (lines[-1] if lines else type(error).__name__), details


def _search_parts(search: Search) -> tuple[dict[str, Any], SearchAlgorithm | TuneSearcher]:
    space: dict[str, Any] = {}
    for axis in search.axes:
        if axis.domain is None:
            space[axis.name] = tune.choice(list(axis.points))
        elif axis.domain.integer:
            draw = tune.lograndint if axis.domain.log else tune.randint
            # Tune leaves the upper end out.
            space[axis.name] = draw(int(axis.domain.low), int(axis.domain.high) + 1)
        else:
            draw = tune.loguniform if axis.domain.log else tune.uniform
            space[axis.name] = draw(axis.domain.low, axis.domain.high)
    # A search that goes on must not draw the points it began with once more.
    seed = search.searcher.seed + len(search.known)
    if isinstance(search.searcher, RandomSearch):
        return space, BasicVariantGenerator(random_state=seed)
    assert isinstance(search.searcher, OptunaSearch)
    # Not for the workers, who import this module too.
    import optuna
    from ray.tune.search.optuna import OptunaSearch as TuneOptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    options: dict[str, Any] = {}
    if search.known:
        # With points measured earlier it wants the space in Optuna's own form.
        options = {
            "space": TuneOptunaSearch.convert_search_space(space),
            "points_to_evaluate": [dict(config) for config, _ in search.known],
            "evaluated_rewards": [value for _, value in search.known],
        }
        space = {}
    return space, TuneOptunaSearch(metric=vocabulary.OBJECTIVE, mode="min", seed=seed, **options)


def _scheduler(scheduler: Scheduler | None, *, max_epochs: int) -> TrialScheduler:
    if isinstance(scheduler, AshaScheduler):
        return ASHAScheduler(
            time_attr="epoch",
            max_t=max_epochs,
            grace_period=min(scheduler.grace_period, max_epochs),
            reduction_factor=scheduler.reduction_factor,
        )
    if isinstance(scheduler, MedianScheduler):
        return MedianStoppingRule(
            time_attr="epoch",
            grace_period=scheduler.grace_period,
            min_samples_required=scheduler.min_samples,
        )
    return FIFOScheduler()  # type: ignore[no-untyped-call]


def _fit(node: Mapping[str, float], resources: Resources) -> int:
    asked = {"CPU": resources.cpus, "GPU": resources.gpus}
    return int(min(node.get(kind, 0) // size for kind, size in asked.items() if size > 0))


def _refuse_silent(address: str) -> None:
    """Ray itself tries an address for minutes before it says that nobody is there."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except OSError as error:
        what = f"no Ray cluster answers at '{address}' ({error.strerror or error})"
        raise ResourceError(what) from error


def _embedded_folder(folder: Path) -> Path:
    """A folder for the session's files: in the home, or in the system's where that is too deep."""
    folder.mkdir(parents=True, exist_ok=True)
    if len(str(folder.absolute())) > LONGEST_RAY_FOLDER:
        folder = Path(tempfile.gettempdir())
    for left in folder.glob(f"{SESSION_PREFIX}*-*"):
        pid = left.name.removeprefix(SESSION_PREFIX).partition("-")[0]
        # A driver that was killed could not tidy up after itself.
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{SESSION_PREFIX}{os.getpid()}-", dir=folder))


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the sweep as Ctrl-C does: Tune stops its trials and returns."""

    def interrupt(number: int, frame: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
