"""A PostgreSQL of our own, from whatever packages the machine has."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from world.servers import free_port


def programs() -> Path | None:
    """The folder with initdb and pg_ctl; the newest version's where there are several."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"),
        key=lambda path: int(path.parts[4].partition(".")[0]),
    )
    if found:
        return found[-1].parent
    here = shutil.which("pg_ctl")
    return Path(here).resolve().parent if here else None


class Postgresql:
    """A database server on loopback.

    Args:
        folder: Its own; short, since its socket lies there.
        programs: Where initdb and pg_ctl are.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs, self.port = folder, programs, free_port()
        # It refuses to run as root.
        self.user = _unprivileged() if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(folder, self.user)
        self.address = f"postgresql+psycopg://bnn@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Makes the database."""
        data = str(self.folder / "data")
        # Of a database without an encoding the driver reads bytes, with which MLflow does nothing.
        form = ("--encoding", "UTF8", "--locale", "C", "--auth", "trust", "--no-sync")
        self._run("initdb", "-D", data, "-U", "bnn", *form)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder}"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-l", log, "-o", options, "start")

    def crash(self) -> None:
        """Ends it as a power cut does: nothing is flushed, the next start recovers."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(
            command,
            user=self.user,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            # A pipe would stay open for as long as the server that pg_ctl leaves behind.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=120,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )
        log = self.folder / "log"
        assert done.returncode == 0, log.read_text() if log.exists() else command


def _unprivileged() -> str:
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


@contextmanager
def running_postgresql(programs: Path) -> Iterator[Postgresql]:
    """A fresh server, and no trace of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bnnpg"))
    server = Postgresql(folder, programs)
    try:
        server.make()
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.crash()
        shutil.rmtree(folder, ignore_errors=True)
