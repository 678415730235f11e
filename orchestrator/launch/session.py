"""Starts Ray on this machine, or joins a running cluster."""

import contextlib
import gc
import importlib
import logging
import math
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray._private import node, ray_constants, services, worker
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RayActorError, RayError, RayTaskError

from orchestrator.launch.forking import forks_workers
from orchestrator.launch.head import LostClusterError
from orchestrator.launch.machine import session_folder
from orchestrator.launch.nodes import ForkingNode, LeanNode, same_environment, starting
from orchestrator.launch.resources import ResourceError, Resources, num_nodes, this_machine
from orchestrator.process import signals
from orchestrator.process.gc_pause import set_aside
from orchestrator.process.leash import ends_groups
from orchestrator.process.waiting import waiting_for

WORKER_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # glibc returns a thread's large blocks to the system at once, and training allocates them in
    # every step. With these, glibc keeps up to 256 MB; this saves a tenth of the time of a small
    # network.
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
}
CONNECT_S = 10.0
JOIN_S = 300.0
"""Seconds in which the nodes of a cluster that are waited for must have joined."""
ASK_NODES_S = 0.5
OBJECT_STORE_BYTES = 200 * 2**20
TUNING = "orchestrator.launch.tuning"
"""The module that needs Ray once it is there."""


@contextlib.contextmanager
def ray_session(
    *,
    address: str | None,
    folder: Path,
    verbose: bool,
    num_workers: int = 0,
    cpus: float = 1,
) -> Iterator[None]:
    """Joins Ray at an address, or starts it here; shuts down at the end of the block.

    Args:
        address: The address of a running cluster; None: start an embedded Ray.
        folder: Where an embedded Ray keeps its files.
        verbose: Show Ray's output.
        num_workers: Workers that are needed at once; 0: unknown. An embedded Ray starts a worker
            for each CPU that it may use, so it gets no more CPUs than they need.
        cpus: CPUs of each worker.

    Raises:
        ResourceError: If there is no cluster at the address.
    """
    level = logging.INFO if verbose else logging.ERROR
    # Tune logs failed trials as errors, but our own display reports them.
    for name in ("ray", "ray.tune"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL)
    common: dict[str, Any] = {"log_to_driver": verbose, "logging_level": level}
    unsaid = contextlib.nullcontext() if verbose else _unsaid_by_ray()
    if address is not None:
        with unsaid, _joined(address, common):
            yield
        return
    # Ray's processes inherit the environment; a runtime_env would start one more process.
    os.environ.update(WORKER_ENVIRONMENT)
    # Ray opens its folder to everybody.
    session, private = session_folder(folder), session_folder(folder)
    try:
        with (
            unsaid,
            forks_workers(private) as forks,
            _embedded(
                session,
                common,
                forks=forks,
                verbose=verbose,
                num_workers=num_workers,
                cpus=cpus,
            ),
        ):
            yield
    finally:
        # Interrupted half-way, it would raise an error of its own, or leave a part.
        with signals.deferred(drop=True):
            for made in (private,) if verbose else (private, session):
                shutil.rmtree(made, ignore_errors=True)


@contextlib.contextmanager
def _unsaid_by_ray() -> Iterator[None]:
    """Within this context Ray does not print how workers died: what that did to a cell, we say."""
    usual = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *arguments, **options: None
    try:
        yield
    finally:
        worker.print_to_stdstream = usual


@contextlib.contextmanager
def _joined(address: str, common: Mapping[str, Any]) -> Iterator[None]:
    """A connection to a running cluster."""
    try:
        # Ctrl-C ends the wait for a cluster.
        with (
            signals.deferred(but=(signal.SIGINT,)),
            waiting_for(f"Ray at {address} to answer"),
        ):
            _refuse_silent(address)
            try:
                ray.init(address=address, runtime_env={"env_vars": WORKER_ENVIRONMENT}, **common)
            except (ConnectionError, ValueError, RuntimeError) as error:
                what = f"no Ray cluster answers at '{address}' ({str(error).splitlines()[0]})"
                raise ResourceError(what) from error
        with _told_if_lost(address):
            yield
    except LostClusterError:
        # Ray would wait for the head in vain, and then end this process.
        raise
    except BaseException:
        _shut_down()
        raise
    else:
        _shut_down()


@contextlib.contextmanager
def _told_if_lost(address: str) -> Iterator[None]:
    """Turns what Ray says against a head that was restarted into an error that says so.

    Args:
        address: Where the cluster was joined.
    """
    try:
        yield
    except RayError as error:
        if isinstance(error, RayTaskError | RayActorError):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if isinstance(error, AuthenticationError) and "WrongClusterID" in reason:
            # The rest of Ray's message is about tokens, which are right.
            reason = "another one answers there"
        what = f"the Ray cluster at {address} was lost, because its head was restarted or is gone"
        raise LostClusterError(f"{what} ({reason})") from error


@contextlib.contextmanager
def _embedded(
    session: Path,
    common: Mapping[str, Any],
    *,
    forks: int,
    verbose: bool,
    num_workers: int,
    cpus: float,
) -> Iterator[None]:
    """Ray on this machine; whatever happens to this process, nothing of it stays.

    Args:
        session: Where it keeps its files.
        common: Arguments for Ray.
        forks: The process group of what forks workers off.
        verbose: As for `ray_session`.
        num_workers: As there.
        cpus: As there.
    """
    # With our own token, Ray does not write one to the user's home folder.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # Makes Ray listen on loopback only, as if no node could join; Ray has no option for that.
    can_cluster = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    num_cpus = int(this_machine()[0]["CPU"])
    if num_workers:
        num_cpus = min(num_cpus, math.ceil(num_workers * cpus))
    # Ray's core starts one worker for each CPU by itself, and would start as many again for the
    # driver, before the first ones can be used.
    settings: dict[str, Any] = {"prestart_worker_first_driver": False}
    try:
        with (
            # Half a start would leave processes behind.
            signals.deferred(),
            waiting_for("Ray to start"),
            _in_groups_of_their_own() as groups,
            starting(ForkingNode if verbose else LeanNode),
            _importing(TUNING),
            _told_if_it_does_not_start(session),
        ):
            ray.init(
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(session),
                _system_config=settings,
                **common,
            )
    except BaseException:
        # For a start that an error or a signal ended.
        _shut_down()
        raise
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = can_cluster
    with (
        ends_groups([*groups, forks]),
        contextlib.nullcontext() if verbose else same_environment(),
        set_aside(),
    ):
        try:
            yield
        finally:
            _shut_down()


@contextlib.contextmanager
def _in_groups_of_their_own() -> Iterator[list[int]]:
    """Within this context, what Ray starts is out of reach of our terminal and our group.

    Ctrl-C, Ctrl-Z, and a signal to a whole batch job, reach this process alone; it ends the others
    in order.

    Yields:
        The ids of the groups; filled while Ray starts.
    """
    groups: list[int] = []
    usual = services.ConsolePopen

    class Apart(usual):  # type: ignore[misc, valid-type]
        """A process in a session of its own, which hears all signals."""

        def __init__(self, *arguments: Any, preexec_fn: Any = None, **options: Any) -> None:
            def first() -> None:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.ENDS)
                if preexec_fn is not None:
                    preexec_fn()

            super().__init__(*arguments, preexec_fn=first, start_new_session=True, **options)
            groups.append(self.pid)

    services.ConsolePopen = Apart  # type: ignore[misc]
    try:
        yield groups
    finally:
        services.ConsolePopen = usual  # type: ignore[misc]


@contextlib.contextmanager
def _told_if_it_does_not_start(session: Path) -> Iterator[None]:
    """Turns an error of Ray's start into one that says where its logs are."""
    try:
        yield
    # Ray raises a bare Exception if its processes do not start in time.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        what = f"Ray did not start ({reason})"
        raise ResourceError(
            f"{what}; run again with -v, and its logs stay in {session}"
        ) from error


@contextlib.contextmanager
def _importing(module: str) -> Iterator[None]:
    """Imports a module while the block waits for other processes."""
    thread = threading.Thread(target=_try_import, args=(module,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _try_import(module: str) -> None:
    # Whoever needs the module imports it again, and gets the error.
    with contextlib.suppress(Exception):
        importlib.import_module(module)


def _shut_down() -> None:
    """Shuts Ray down with garbage collection disabled.

    If another thread's garbage collection finds an object reference while Ray shuts down, the
    whole process dies. After a stop request, further signals do nothing here: it takes a second or
    two.
    """
    was_enabled = gc.isenabled()
    with signals.deferred(drop=True), waiting_for("Ray to end"), _heard_while_processes_end():
        gc.collect()
        gc.disable()
        try:
            ray.shutdown()
        finally:
            if was_enabled:
                gc.enable()


@contextlib.contextmanager
def _heard_while_processes_end() -> Iterator[None]:
    """Within this context SIGTERM is heard while Ray ends its processes, its longest step.

    Before that step Ray's core resets SIGTERM to the system's default, which ends this process
    at once.
    """
    usual = node.Node.kill_all_processes

    def kill(self: node.Node, *arguments: Any, **options: Any) -> None:
        signals.set_again()
        usual(self, *arguments, **options)

    node.Node.kill_all_processes = kill  # type: ignore[method-assign]
    try:
        yield
    finally:
        node.Node.kill_all_processes = usual  # type: ignore[method-assign]


def is_same_head() -> bool:
    """Whether the head that answers now is that of the cluster that was joined."""
    address = cluster_address()
    joined = worker.global_worker.gcs_client  # type: ignore[attr-defined]
    return bool(GcsClient(address=address).cluster_id == joined.cluster_id)


def cluster_address() -> str:
    """Host and port of the head of the current Ray cluster."""
    return str(ray.get_runtime_context().gcs_address)


def cluster_nodes() -> list[Mapping[str, float]]:
    """The resources of each node that is alive in the current Ray cluster."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def wait_for_nodes(resources: Resources, least: int) -> None:
    """Waits until enough nodes have joined the cluster: they start one after the other.

    Args:
        resources: The resources of each trial.
        least: Nodes with room for a trial; 0: do not wait.

    Raises:
        ResourceError: If they are not there in time.
    """
    ends = time.monotonic() + JOIN_S
    what = f"{least} nodes of the cluster with room for a trial, for {JOIN_S:.0f} s at most"
    with waiting_for(what):
        while (there := num_nodes(resources, cluster_nodes())) < least:
            if time.monotonic() > ends:
                what = f"after {JOIN_S:.0f} s {there} of {least} nodes have room for a trial"
                raise ResourceError(f"{what}; start the others, or lower --min-nodes")
            time.sleep(ASK_NODES_S)


def _refuse_silent(address: str) -> None:
    """Refuses an address that does not answer; Ray itself would try it for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    # An invalid host name raises UnicodeError.
    except (OSError, UnicodeError) as error:
        what = f"no Ray cluster answers at '{address}' ({error})"
        raise ResourceError(what) from error
