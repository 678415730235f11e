"""The stack of docker/compose.yaml as a user starts it, under a name of the tests' own."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
PROJECT = "bnn-cluster-test"
PORT = 15731
"""Where MLflow is published, so that a stack of the user's own keeps its port."""
PAGE_PORT = 15732
"""Where the page is published."""
LIMIT_S = 900


def engine() -> str | None:
    """What runs containers here: podman, docker, or nothing."""
    return next((name for name in ("podman", "docker") if shutil.which(name)), None)


def compose() -> list[str] | None:
    """What starts a stack here."""
    if engine() == "podman":
        return ["podman-compose"] if shutil.which("podman-compose") else None
    return ["docker", "compose"] if engine() else None


def why_not() -> str:
    """Why no stack can be started here; empty: one can."""
    if not os.environ.get("BNN_CLUSTER"):
        return "makes images and containers: only with make cluster-test"
    if engine() is None or compose() is None:
        return "there is neither podman with podman-compose nor docker"
    done = subprocess.run([str(engine()), "ps"], capture_output=True, text=True)
    if done.returncode:
        return f"{engine()} does not work here: {done.stderr.strip()[-200:]}"
    return "" if os.geteuid() == 0 or engine() == "docker" else "containers need root here"


class Stack:
    """A stack of two workers with one CPU each.

    Args:
        folder: Where what drivers say is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.num_drivers = 0
        docker = ROOT / "docker"
        files = [
            "-f",
            str(docker / "compose.yaml"),
            "-f",
            str(Path(__file__).with_name("stand-in.yaml")),
        ]
        self.compose = [*(compose() or []), "-p", PROJECT, *files]
        self.environment = {
            **os.environ,
            "BNN_IMAGE": "bnn-orchestrate",
            "BNN_MLFLOW_PORT": str(PORT),
            "BNN_DASHBOARD_PORT": str(PAGE_PORT),
            "BNN_MIN_NODES": "2",
            "BNN_WORKER_CPUS": "1",
        }

    def build(self) -> None:
        """Builds the image, and that of the storage; seconds if only our code changed."""
        formatted = ["--format", "docker"] if engine() == "podman" else []
        for name, file in (
            ("bnn-orchestrate", ROOT / "docker" / "Dockerfile"),
            ("bnn-test-storage", Path(__file__).with_name("storage.Dockerfile")),
        ):
            self.run(
                "build", *formatted, "-q", "-f", str(file), "-t", name, str(ROOT), within_s=3600
            )

    def run(self, *words: str, within_s: float = 120, check: bool = True) -> str:
        """What a command of the engine prints.

        Raises:
            AssertionError: If it fails, and must not.
        """
        done = subprocess.run(
            [str(engine()), *words], capture_output=True, text=True, timeout=within_s
        )
        assert done.returncode == 0 or not check, done.stderr[-2000:]
        return done.stdout

    def up(self) -> None:
        """Starts the stack, or what of it is missing."""
        self._composed("up", "-d", "--no-build", "--scale", "worker=2")

    def down(self, *flags: str) -> None:
        """Ends the stack; its volumes stay, unless told `-v`."""
        # podman-compose forgets workers beyond the first one.
        if names := self.containers():
            self.run("rm", "-f", *names)
        self._composed("--profile", "driver", "down", *flags)

    def containers(self, service: str = "") -> list[str]:
        """The names of the stack's containers, of one service or all."""
        label = "io.podman.compose" if engine() == "podman" else "com.docker.compose"
        asked = ["--filter", f"label={label}.project={PROJECT}"]
        lines = self.run("ps", "-a", *asked, "--format", "{{.Names}}").split()
        return sorted(line for line in lines if service in line)

    def put(self, folder: Path, name: str) -> None:
        """Copies a folder into the data that workers and drivers share."""
        mounts = ("-v", f"{PROJECT}_data:/data", "-v", f"{folder}:/from:ro")
        line = ("run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", "cp", *mounts)
        self.run(*line, "bnn-orchestrate", "-r", "/from", f"/data/{name}")

    def cut(self, name: str) -> None:
        """Takes the network away from a container, which goes on."""
        self.run("network", "disconnect", f"{PROJECT}_cluster", name)

    def join(self, name: str) -> None:
        """Gives a container its network again."""
        self.run("network", "connect", f"{PROJECT}_cluster", name)

    def driver(self, *words: str, flags: tuple[str, ...] = ()) -> tuple[int, str]:
        """The exit code of a driver's command, and all that it said."""
        said = self.starts(*words, flags=flags)
        return said.ends(), said.text

    def starts(self, *words: str, flags: tuple[str, ...] = ()) -> "Said":
        """Starts a driver's command."""
        self.num_drivers += 1
        name = f"{PROJECT}-driver-{self.num_drivers}"
        file = (self.folder / f"{name}.log").open("w")
        named = ["--no-deps"] if engine() == "podman" else []
        line = ["--profile", "driver", "run", "--rm", "-T", *named, "--name", name, *flags]
        process = subprocess.Popen(
            [*self.compose, *line, "driver", *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=self.environment,
        )
        return Said(name, process, file)

    def _composed(self, *words: str) -> None:
        done = subprocess.run(
            [*self.compose, *words],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]


class Said:
    """A driver's command that runs, and what it has said."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", file: IO[str]) -> None:
        self.name, self.process, self.file = name, process, file

    @property
    def text(self) -> str:
        """All of it, without what the engine says of health checks."""
        lines = Path(self.file.name).read_text(errors="replace").splitlines()
        return "\n".join(line for line in lines if "systemd" not in line)

    @property
    def num_finished(self) -> int:
        """Cells that are finished, as the last line of progress says; 0 before the first one."""
        told = re.findall(r" (\d+)/\d+ cells finished", self.text)
        return int(told[-1]) if told else 0

    def ends(self, within_s: float = LIMIT_S) -> int:
        """Waits for the end; the exit code."""
        return self.process.wait(within_s)


def wait_until(is_so: Callable[[], bool], *, what: str, within_s: float = 240) -> None:
    """Waits for something to happen.

    Raises:
        AssertionError: If it does not in time.
    """
    ends = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends, f"waited {within_s:.0f} s until {what}"
        time.sleep(0.5)
