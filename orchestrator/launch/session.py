"""Ray itself: joined at an address, or started here and ended with the block."""

import contextlib
import gc
import logging
import os
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

from orchestrator.launch.resources import ResourceError, this_machine

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
    # Tune logs failed trials as errors; they are told by our own display.
    for name in ("ray", "ray.tune"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL)
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
        _shut_down()
        if session is not None and not verbose:
            shutil.rmtree(session, ignore_errors=True)


def _shut_down() -> None:
    """Ends Ray, with no garbage of its own left behind.

    An object reference that another thread's garbage collection meets while Ray goes down ends
    the whole process.
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
    """Without Ctrl-C for the second or two; whoever is ending need not be told to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def cluster_nodes() -> list[Mapping[str, float]]:
    """What each node of the Ray that is joined has to give."""
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node["Resources"] for node in nodes if node["Alive"]]


def _refuse_silent(address: str) -> None:
    """Ray itself tries an address for minutes before it says that nobody is there."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    # A name that no address can have is a UnicodeError.
    except (OSError, UnicodeError) as error:
        what = f"no Ray cluster answers at '{address}' ({error})"
        raise ResourceError(what) from error


def embedded_folder(folder: Path) -> Path:
    """A folder for the session's files: in the home, or where Ray cannot take that, in /tmp."""
    folder.mkdir(parents=True, exist_ok=True)
    path = str(folder.absolute())
    if len(path) > LONGEST_RAY_FOLDER or not path.isascii():
        folder = Path(tempfile.gettempdir())
    for left in folder.glob(f"{SESSION_PREFIX}*-*"):
        pid = left.name.removeprefix(SESSION_PREFIX).partition("-")[0]
        # A driver that was killed could not tidy up after itself.
        if pid.isdecimal() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{SESSION_PREFIX}{os.getpid()}-", dir=folder))
