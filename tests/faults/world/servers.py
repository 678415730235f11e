"""A real tracking server that can be stopped, and a proxy in front of it that can misbehave."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

Mode = Literal["pass", "500", "slow", "lose"]
SLOW_S = 2.0


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """`mlflow server` on loopback.

    Args:
        folder: Its own; artifacts lie there.
        database: Address of its database; None: SQLite in the folder.
    """

    def __init__(self, folder: Path, database: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.database = database or f"sqlite:///{folder / 'mlflow.db'}"
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--port", str(self.port), "--backend-store-uri", self.database]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        off = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, **off},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "server.log").read_text()[-2000:]
            assert time.monotonic() < end, "the server never answered"
            time.sleep(0.2)

    def stop(self) -> None:
        """Kills it with all its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._process = None

    @property
    def pid(self) -> int:
        """Its first process."""
        assert self._process is not None
        return self._process.pid

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.address}/health", timeout=2).close()
        except OSError:
            return False
        return True


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server, started, and stopped afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server, or does not, as its `mode` says.

    pass: as they are. 500: answers so itself. slow: passes them on, seconds later. lose: passes
    them on and hangs up without the answer.
    """

    daemon_threads = True

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = server
        self.mode: Mode = "pass"
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.num_spoiled = 0
        self.steps: dict[str, list[int]] = {}
        """Lowest step of each batch of points that a run got, in the order of the answers."""
        self._lock = threading.Lock()

    def confirmed(self, path: str, body: bytes) -> None:
        """Remembers what the server took."""
        if path.partition("?")[0].endswith("/runs/log-batch"):
            content = json.loads(body)
            if content.get("metrics"):
                steps = [int(metric.get("step", 0)) for metric in content["metrics"]]
                with self._lock:
                    self.steps.setdefault(content["run_id"], []).append(min(steps))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def _pass(self) -> None:
        proxy, mode = self.server, self.server.mode
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if mode != "pass":
            proxy.num_spoiled += 1
        if mode == "500":
            self.send_error(500, "the proxy says so")
            return
        if mode == "slow":
            time.sleep(SLOW_S)
        connection = http.client.HTTPConnection("127.0.0.1", proxy.behind.port, timeout=60)
        try:
            # The host is ours: the server refuses those it does not know.
            headers = {name: value for name, value in self.headers.items() if name != "Host"}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            # Nobody behind: hang up, as a server that is gone does.
            self.close_connection = True
            return
        finally:
            connection.close()
        if mode == "lose":
            self.close_connection = True
            return
        if answer.status == 200:
            proxy.confirmed(self.path, body)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def proxied(server: Server) -> Iterator[Proxy]:
    """A proxy in front of a server."""
    proxy = Proxy(server)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
