"""Starts Ray on this machine, or joins a running cluster."""

import contextlib
import gc
import logging
import os
import re
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from ray._private import node, ray_constants

from orchestrator.launch.resources import ResourceError, this_machine

WORKER_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # glibc returns a thread's large blocks to the system at once, and training allocates them in
    # every step. With these, glibc keeps up to 256 MB; this saves a tenth of the time of a small
    # network.
    "MALLOC_MMAP_THRESHOLD_": str(2**28),
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
}
CONNECT_S = 10.0
LONGEST_RAY_FOLDER = 23
"""Most characters: Ray adds up to 84 for its sockets, and a socket's path may have 107."""
SESSION_PREFIX = "bnn"
OBJECT_STORE_BYTES = 200 * 2**20
PRELOADED = "orchestrator.launch.preloaded"
"""The module that a worker imports when it starts."""


@contextlib.contextmanager
def ray_session(
    *, address: str | None, folder: Path, verbose: bool, num_workers: int = 0
) -> Iterator[None]:
    """Joins Ray at an address, or starts it here; shuts down at the end of the block.

    Args:
        address: The address of a running cluster; None: start an embedded Ray.
        folder: Where an embedded Ray keeps its files.
        verbose: Show Ray's output.
        num_workers: Workers that are needed at once. An embedded Ray starts one for each CPU; if
            all are needed, they import what they need before they are asked for it.

    Raises:
        ResourceError: If there is no cluster at the address.
    """
    level = logging.INFO if verbose else logging.ERROR
    # Tune logs failed trials as errors, but our own display reports them.
    for name in ("ray", "ray.tune"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL)
    # Makes Ray listen on loopback only, as if no node could join; Ray has no option for that.
    can_cluster = ray_constants.ENABLE_RAY_CLUSTER
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
        session = embedded_folder(folder)
        # With our own token, Ray does not write one to the user's home folder.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # Ray's processes inherit the environment; a runtime_env would start one more process.
        os.environ.update(WORKER_ENVIRONMENT)
        ray_constants.ENABLE_RAY_CLUSTER = False
        num_cpus = int(this_machine()[0]["CPU"])
        preloads = {"preload_python_modules": [PRELOADED]} if num_workers >= num_cpus else None
        with contextlib.nullcontext() if verbose else _lean():
            ray.init(
                address="local",
                num_cpus=num_cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=str(session),
                _system_config=preloads,
                **common,
            )
    try:
        yield
    finally:
        _shut_down()
        ray_constants.ENABLE_RAY_CLUSTER = can_cluster
        if session is not None and not verbose:
            shutil.rmtree(session, ignore_errors=True)


class _LeanNode(node.Node):
    """Ray on this machine without the processes that follow logs, add machines and serve pages.

    An embedded Ray has no use for them. Each takes as long to start as a worker before its first
    import, and Ray has no option against them.
    """

    def __init__(self, ray_params: Any, **options: Any) -> None:
        ray_params.update(include_log_monitor=False, no_monitor=True)
        super().__init__(ray_params, **options)

    def start_api_server(self, **options: Any) -> None:
        """Starts nothing."""


@contextlib.contextmanager
def _lean() -> Iterator[None]:
    """Within this context Ray starts as a `_LeanNode`."""
    names, usual = vars(node), node.Node
    names["Node"] = _LeanNode
    try:
        yield
    finally:
        names["Node"] = usual


def _shut_down() -> None:
    """Shuts Ray down with garbage collection disabled.

    If another thread's garbage collection finds an object reference while Ray shuts down, the
    whole process dies.
    """
    was_enabled = gc.isenabled()
    with _uninterrupted():
        gc.collect()
        gc.disable()
        try:
            ray.shutdown()
        finally:
            if was_enabled:
                gc.enable()


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignores Ctrl-C during the shutdown, which takes a second or two."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def cluster_nodes() -> list[Mapping[str, float]]:
    """The resources of each node that is alive in the current Ray cluster."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


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


def embedded_folder(folder: Path) -> Path:
    """A folder for the session's files: in the home, or in /tmp if Ray cannot use that path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder.absolute())
    # Other signs mean something in addresses, or to the commands that Ray runs.
    if len(path) > LONGEST_RAY_FOLDER or not re.fullmatch(r"[A-Za-z0-9/._-]+", path):
        folder = Path(tempfile.gettempdir())
    for leftover in folder.glob(f"{SESSION_PREFIX}*-*"):
        pid = leftover.name.removeprefix(SESSION_PREFIX).partition("-")[0]
        # Removes folders of drivers that were killed.
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(leftover, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{SESSION_PREFIX}{os.getpid()}-", dir=folder))
