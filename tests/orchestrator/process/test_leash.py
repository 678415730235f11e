"""Processes that end with the one that started them."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.process import leash
from orchestrator.process.leash import ends_groups, leashed

# It starts a second process, as MLflow's server does, and says both ids.
FAMILY = textwrap.dedent(
    """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(sys.argv[1], "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
    """
)
STUBBORN = "import signal\nfor number in (2, 15): signal.signal(number, signal.SIG_IGN)\n" + FAMILY


def _ids(told: Path) -> list[int]:
    end = time.monotonic() + 20
    while not told.exists() or len(told.read_text().split()) != 2:
        assert time.monotonic() < end
        time.sleep(0.02)
    return [int(text) for text in told.read_text().split()]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _end_of(pids: list[int], *, within_s: float = 10) -> bool:
    end = time.monotonic() + within_s
    while any(map(_is_alive, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("script", [FAMILY, STUBBORN], ids=["polite", "stubborn"])
def test_a_command_and_what_it_starts_end_with_the_block(script: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", script, str(tmp_path / "told")]
    with leashed(command, environment=os.environ):
        family = _ids(tmp_path / "told")
        assert all(map(_is_alive, family))
        # No signal to our group or terminal reaches them.
        assert {os.getsid(pid) for pid in family}.isdisjoint({os.getsid(0)})
    assert _end_of(family)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_they_end_with_a_starter_that_is_killed(number: int, tmp_path: Path) -> None:
    starter = textwrap.dedent(
        f"""
        import os, sys, time
        from orchestrator.process.leash import leashed
        command = [sys.executable, "-c", {FAMILY!r}, sys.argv[1]]
        with leashed(command, environment=os.environ):
            time.sleep(600)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", starter, str(tmp_path / "told")])
    family = _ids(tmp_path / "told")
    process.send_signal(number)
    process.wait(10)
    assert _end_of(family)


@pytest.mark.parametrize("code", [0, 3])
def test_the_exit_code_is_that_of_the_command(code: int) -> None:
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    with leashed(command, environment=os.environ) as process:
        assert process.wait(20) == code


def test_a_command_that_ends_takes_along_what_it_started(tmp_path: Path) -> None:
    script = FAMILY.replace("time.sleep(600)\n", "\n")
    command = [sys.executable, "-c", script, str(tmp_path / "told")]
    with leashed(command, environment=os.environ) as process:
        family = _ids(tmp_path / "told")
        process.wait(20)
        assert _end_of(family)


def test_a_starter_with_thousands_of_open_files_has_its_leash(tmp_path: Path) -> None:
    # Numbers of pipes then pass what `select.select` takes.
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(before[0], min(before[1], 4096))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, before[1]))
    pipes = [os.pipe() for _ in range(600)]
    try:
        test_the_exit_code_is_that_of_the_command(3)
        test_a_command_and_what_it_starts_end_with_the_block(FAMILY, tmp_path)
    finally:
        for ends in pipes:
            os.close(ends[0])
            os.close(ends[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_groups_end_with_the_block_and_a_group_that_is_gone_is_no_error() -> None:
    def start(script: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", script], start_new_session=True)

    lasting, short = start("import time; time.sleep(600)"), start("")
    short.wait(20)
    with ends_groups([short.pid, lasting.pid]):
        assert lasting.poll() is None
    assert lasting.wait(10) == -signal.SIGKILL


def test_the_script_needs_nothing_of_this_project(run_alone: Callable[..., str]) -> None:
    assert run_alone() == ""


@pytest.fixture
def run_alone(tmp_path: Path) -> Callable[..., str]:
    """Runs the file with the standard library alone, as its starter does; what it imports."""
    code = textwrap.dedent(
        f"""
        import runpy, sys
        runpy.run_path({leash.__file__!r})
        print(*[name for name in sys.modules if name.partition(".")[0] == "orchestrator"], end="")
        """
    )

    def run() -> str:
        command = [sys.executable, "-I", "-S", "-c", code]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run
