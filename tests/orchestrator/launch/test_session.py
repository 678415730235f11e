"""Ray joined or started, with Ray itself replaced: no test here starts it."""

import ctypes
import gc
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray._private import node, services, utils, worker

from orchestrator.launch import forking, machine, nodes, session, worker_start
from orchestrator.launch.resources import ResourceError, Resources
from orchestrator.launch.session import cluster_nodes, ray_session, wait_for_nodes
from orchestrator.process import signals


class _Ray:
    """Ray as far as it is called, with what it was told."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}
        self.is_up = False
        self.error: Exception | None = None
        self.saw: list[bool] = []
        self.look: Callable[[], bool] = lambda: False
        self.node: type | None = None

    def init(self, **options: Any) -> None:
        self.node = node.Node
        if self.error:
            raise self.error
        self.told, self.is_up = options, True

    def shutdown(self) -> None:
        self.is_up = False
        self.saw += [self.look(), gc.isenabled()]

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"Alive": True, "Resources": {"CPU": 4.0}},
            {"Alive": False, "Resources": {"CPU": 8.0}},
        ]


def _sleeper(*files: int) -> "subprocess.Popen[bytes]":
    """In place of what loads torch and forks workers off."""
    return subprocess.Popen(["sleep", "600"], start_new_session=True)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Ray]:
    """A Ray of ours; the environment and the levels of its loggers are put back."""
    loggers = [logging.getLogger(name) for name in ("ray", "ray.tune")]
    levels = [logger.level for logger in loggers]
    ray = _Ray()
    monkeypatch.setattr(session, "ray", ray)
    monkeypatch.setattr(forking, "start_server", _sleeper)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(machine, "LONGEST_RAY_FOLDER", 1000)
    yield ray
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def silent_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_refused_by_name_without_ray(
    scheme: str, silent_port: int, ray: _Ray, tmp_path: Path
) -> None:
    address = f"{scheme}127.0.0.1:{silent_port}"
    with (
        pytest.raises(ResourceError, match=f"no Ray cluster answers at '{address}' .*refused"),
        ray_session(address=address, folder=tmp_path, verbose=False),
    ):
        pass
    # Ray itself, which would try for minutes, was not asked.
    assert ray.told == {}


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_somebody_listens_is_left_to_ray(
    scheme: str, ray: _Ray, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{scheme}127.0.0.1:{server.getsockname()[1]}"
        with ray_session(address=address, folder=tmp_path, verbose=False):
            assert ray.told["address"] == address


@pytest.mark.parametrize("address", ["auto", "local", "head", "ray://head", ":6379", "head:ssh"])
def test_an_address_without_host_and_port_is_left_to_ray(
    address: str, ray: _Ray, tmp_path: Path
) -> None:
    with ray_session(address=address, folder=tmp_path, verbose=False):
        assert ray.told["address"] == address


@pytest.mark.parametrize("kind", [ConnectionError, ValueError, RuntimeError])
def test_what_ray_says_against_an_address_is_told_in_one_line(
    kind: type[Exception], ray: _Ray, tmp_path: Path
) -> None:
    ray.error = kind("no cluster found\nand much more")
    with (
        pytest.raises(ResourceError, match=r"at 'auto' \(no cluster found\)$"),
        ray_session(address="auto", folder=tmp_path, verbose=False),
    ):
        pass


def test_a_cluster_is_left_at_the_end_and_its_workers_get_our_environment(
    ray: _Ray, tmp_path: Path
) -> None:
    with ray_session(address="auto", folder=tmp_path / "ray", verbose=False):
        assert ray.is_up
    assert not ray.is_up
    assert ray.told["runtime_env"] == {"env_vars": session.WORKER_ENVIRONMENT}
    assert not (tmp_path / "ray").exists()


@pytest.mark.parametrize("verbose", [False, True])
def test_an_embedded_ray_ends_with_the_block_and_leaves_files_only_when_verbose(
    verbose: bool, ray: _Ray, tmp_path: Path
) -> None:
    def fail() -> None:
        with ray_session(address=None, folder=tmp_path / "ray", verbose=verbose):
            assert ray.told["address"] == "local"
            assert Path(ray.told["_temp_dir"]).parent == tmp_path / "ray"
            assert session.WORKER_ENVIRONMENT.items() <= os.environ.items()
            assert os.environ["RAY_AUTH_TOKEN"]
            raise ZeroDivisionError("in the block")

    with pytest.raises(ZeroDivisionError, match="in the block"):
        fail()
    assert not ray.is_up
    assert Path(ray.told["_temp_dir"]).exists() == verbose


@pytest.mark.parametrize("verbose", [False, True])
def test_an_embedded_ray_starts_no_process_that_nobody_needs_unless_it_speaks(
    verbose: bool, ray: _Ray, tmp_path: Path
) -> None:
    usual = node.Node
    with ray_session(address=None, folder=tmp_path, verbose=verbose):
        assert ray.node is (nodes.ForkingNode if verbose else nodes.LeanNode)
        assert node.Node is usual
    ray.error = RuntimeError("it does not start")
    with (
        pytest.raises(RuntimeError, match="it does not start"),
        ray_session(address=None, folder=tmp_path, verbose=verbose),
    ):
        raise AssertionError("there is no Ray")
    assert node.Node is usual


@pytest.mark.parametrize(
    ("num_workers", "cpus", "num_cpus"),
    [
        (0, 1, 4),  # it is not known how many are needed
        (1, 1, 1),
        (3, 1, 3),
        (4, 1, 4),
        (9, 1, 4),
        (1, 2.5, 3),
        (4, 0.5, 2),
    ],
)
def test_no_more_workers_start_than_train(
    num_workers: int,
    cpus: float,
    num_cpus: int,
    ray: _Ray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "this_machine", lambda: [{"CPU": 4, "GPU": 0}])
    with ray_session(
        address=None, folder=tmp_path, verbose=False, num_workers=num_workers, cpus=cpus
    ):
        assert ray.told["num_cpus"] == num_cpus
        # Otherwise as many again would be started.
        assert ray.told["_system_config"] == {"prestart_worker_first_driver": False}


def test_forks_are_asked_for_where_nobody_else_may_and_no_socket_is_left(
    ray: _Ray, tmp_path: Path
) -> None:
    with ray_session(address=None, folder=tmp_path, verbose=True):
        address = Path(os.environ[worker_start.ADDRESS])
        assert address.is_socket()
        # Ray opens its own folder to everybody.
        assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
        assert address.parent != Path(ray.told["_temp_dir"])
    assert not address.parent.exists()


@pytest.mark.parametrize("address", [None, "auto"])
@pytest.mark.parametrize("verbose", [False, True])
def test_ray_prints_how_workers_died_only_when_asked(
    verbose: bool,
    address: str | None,
    ray: _Ray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    usual = worker.print_to_stdstream
    with ray_session(address=address, folder=tmp_path, verbose=verbose):
        # It says the same only once.
        said = {"lines": [f"A worker died: {address}"], "pid": "raylet", "is_err": False}
        worker.print_to_stdstream(said, ignore_prefix=False)
    assert ("A worker died" in capsys.readouterr().out) == verbose
    assert worker.print_to_stdstream is usual


def test_a_token_that_is_set_already_stays(ray: _Ray, tmp_path: Path) -> None:
    os.environ["RAY_AUTH_TOKEN"] = "theirs"
    with ray_session(address=None, folder=tmp_path / "ray", verbose=False):
        assert os.environ["RAY_AUTH_TOKEN"] == "theirs"


@pytest.mark.parametrize(("verbose", "level"), [(False, logging.CRITICAL), (True, logging.INFO)])
def test_ray_speaks_only_when_asked(verbose: bool, level: int, ray: _Ray, tmp_path: Path) -> None:
    with ray_session(address="auto", folder=tmp_path, verbose=verbose):
        assert logging.getLogger("ray").level == logging.getLogger("ray.tune").level == level
        assert ray.told["log_to_driver"] == verbose


def test_nodes_that_are_gone_have_nothing_to_give(ray: _Ray) -> None:
    assert cluster_nodes() == [{"CPU": 4.0}]


def test_nodes_are_waited_for_until_enough_have_room(
    ray: _Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    joining = iter([1, 1, 2, 3])
    ray.nodes = lambda: [  # type: ignore[method-assign]
        {"Alive": True, "Resources": {"CPU": 2.0}} for _ in range(next(joining))
    ]
    monkeypatch.setattr(session, "ASK_NODES_S", 0)
    wait_for_nodes(Resources(), 2)
    assert list(joining) == [3]


def test_nodes_that_do_not_come_are_not_waited_for_for_ever(
    ray: _Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "JOIN_S", 0)
    wait_for_nodes(Resources(), 1)
    with pytest.raises(ResourceError, match=r"1 of 2 nodes have room .* lower --min-nodes"):
        wait_for_nodes(Resources(), 2)
    with pytest.raises(ResourceError, match="0 of 1 nodes"):
        wait_for_nodes(Resources(cpus=5), 1)


class _Cycle:
    """Only the garbage collector can free it."""

    def __init__(self) -> None:
        self.itself = self


def test_no_garbage_is_met_while_ray_goes_down(ray: _Ray, tmp_path: Path) -> None:
    with ray_session(address="auto", folder=tmp_path, verbose=False):
        left = weakref.ref(_Cycle())
        ray.look = lambda: left() is not None
    assert ray.saw == [False, False]
    assert gc.isenabled()


def test_what_ray_starts_is_out_of_reach_of_our_group_hears_signals_and_ends_with_us(
    ray: _Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []

    def init(**options: Any) -> None:
        # Signals that come now wait, also for what is started.
        assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        started.append(services.ConsolePopen(command, preexec_fn=lambda: None))

    monkeypatch.setattr(ray, "init", init)
    usual = services.ConsolePopen
    with ray_session(address=None, folder=tmp_path, verbose=False):
        [process] = started
        assert services.ConsolePopen is usual
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        [blocked] = [
            line.split()[1]
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if line.startswith("SigBlk")
        ]
        assert not int(blocked, 16) & 1 << signal.SIGTERM - 1
    # This Ray ended nothing, as one that was killed.
    assert process.wait(10) == -signal.SIGKILL


def _is_caught(number: int) -> bool:
    """Whether this process has a handler for a signal, whatever Python knows of it."""
    [caught] = [
        line.split()[1]
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("SigCgt")
    ]
    return bool(int(caught, 16) & 1 << number - 1)


def test_a_signal_while_the_processes_of_ray_end_is_heard(
    ray: _Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = []

    def kill(self: Any) -> None:
        heard.append(_is_caught(signal.SIGTERM))
        signal.raise_signal(signal.SIGTERM)

    def shutdown() -> None:
        # What Ray's core does before its processes end: the system's default, set in C.
        ctypes.CDLL(None).signal(signal.SIGTERM, None)
        node.Node.kill_all_processes(None)  # type: ignore[arg-type]

    monkeypatch.setattr(node.Node, "kill_all_processes", kill)
    monkeypatch.setattr(ray, "shutdown", shutdown)
    with (
        signals.raising(),
        pytest.raises(KeyboardInterrupt, match=r"^$"),
        ray_session(address=None, folder=tmp_path, verbose=False),
    ):
        pass
    assert heard == [True]
    assert signals.exit_code() == 128 + signal.SIGTERM
    assert node.Node.kill_all_processes is kill


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("address", [None, "auto"])
def test_a_signal_while_ray_starts_ends_it_in_order(
    address: str | None,
    number: int,
    ray: _Ray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = ray.init

    def init(**options: Any) -> None:
        # As Ray does; the signal may reach a thread that is not this one.
        utils.set_sigterm_handler(lambda number, frame: sys.exit(number))
        thread = threading.Thread(target=os.kill, args=(os.getpid(), number))
        thread.start()
        thread.join()
        usual(**options)

    monkeypatch.setattr(ray, "init", init)
    with (
        signals.raising(),
        pytest.raises(KeyboardInterrupt, match=r"^$"),
        ray_session(address=address, folder=tmp_path / "ray", verbose=False),
    ):
        raise AssertionError("it does not begin")
    assert not ray.is_up
    assert signals.exit_code() == 128 + number
    assert not list(tmp_path.glob("ray/bnn*"))
