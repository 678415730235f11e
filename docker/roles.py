"""What a container of the image does: `python roles.py ROLE [ARGUMENT...]`.

Each role waits by itself for what it needs, because not every tool that starts containers keeps
an order among them. A secret comes as a file: `NAME_FILE` says where, and it becomes NAME in the
environment of this container's processes alone. This file needs no library.
"""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import NoReturn

SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "BNN_DASHBOARD_TOKEN",
    "BNN_POSTGRES_PASSWORD",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_TRACKING_PASSWORD",
    "RAY_AUTH_TOKEN",
)
"""Variables that a file may hold instead: NAME_FILE is its path."""
MLFLOW_SECRETS = (
    "BNN_POSTGRES_PASSWORD",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
)
ROLE_FILE = Path("/tmp/bnn-role")
"""Says to the health check which role this container has."""
AUTH_FILE = Path("/tmp/mlflow-auth.ini")
WAIT_S = 300.0
"""Seconds in which what a role needs must be there."""
ASK_EVERY_S = 0.5
SAID_AFTER_S = 3.0
RAYLET = "http://127.0.0.1:52365/api/local_raylet_healthz"
MLFLOW = "http://127.0.0.1:5000/health"
PAGE_PORT = 5050
JOINING = ("sweep", "protocol")
"""Commands that train, and so join the cluster that BNN_RAY_ADDRESS names."""
READING = (
    "compare",
    "export",
    "hybrid",
    "matrix",
    "replay",
    "report",
    "results",
    "status",
    "sync",
)
"""Commands that need what MLflow has."""
STORE_BYTES = 200 * 2**20


class RoleError(Exception):
    """A role cannot begin; the text says what is missing."""


def main(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """Takes on a role; most become another program and never return."""
    name, *rest = arguments or ["driver", "--help"]
    try:
        if name not in ROLES:
            known = ", ".join(sorted(ROLES))
            hint = "a command of bnn-orchestrate follows the role driver"
            raise RoleError(f"unknown role '{name}'; known: {known}; {hint}")
        if name not in ONCE:
            ROLE_FILE.write_text(name)
            read_secrets(environment)
        return ROLES[name](rest, environment)
    except RoleError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


def read_secrets(environment: MutableMapping[str, str]) -> None:
    """Puts what each NAME_FILE holds into NAME; waits for files that are made at a first start.

    Raises:
        RoleError: If a file does not come, or is empty.
    """
    for name in SECRETS:
        place = environment.pop(f"{name}_FILE", None)
        if place is None:
            continue
        path = Path(place)
        wait_for(f"the secret {path}", path.exists)
        text = path.read_text().strip()
        if not text:
            raise RoleError(f"the secret {path} is empty; write it, or remove it and start again")
        environment[name] = text
    if "RAY_AUTH_TOKEN" in environment:
        environment["RAY_AUTH_MODE"] = "token"


def wait_for(
    what: str,
    is_there: Callable[[], bool],
    *,
    within_s: float | None = None,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Waits for something; says so once it has taken a while.

    Args:
        what: As in `waiting for the secret`.
        is_there: Asked every half second.
        within_s: Seconds after which it gives up; None: WAIT_S.
        now: The clock.
        sleep: Lets time pass.

    Raises:
        RoleError: If it is not there in time.
    """
    limit_s = WAIT_S if within_s is None else within_s
    began, is_said = now(), False
    while not is_there():
        waited_s = now() - began
        if waited_s >= limit_s:
            raise RoleError(f"{what} is not there after {limit_s:.0f} s")
        if waited_s >= SAID_AFTER_S and not is_said:
            sys.stderr.write(f"waiting for {what}, for {limit_s:.0f} s at most\n")
            is_said = True
        sleep(ASK_EVERY_S)


def is_listening(address: str) -> bool:
    """Whether a port takes connections.

    Args:
        address: As in `head:6379`.

    Raises:
        RoleError: If it is no address.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise RoleError(f"'{address}' is no address; write host:port, as in head:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=2).close()
    except OSError:
        return False
    return True


def answers(url: str) -> bool:
    """Whether a page is there, for whoever asks."""
    try:
        # No proxy leads to a neighbour.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=4) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):
        return False


def keys(paths: Sequence[str], environment: Mapping[str, str]) -> int:
    """Makes each secret that is not there yet: 64 random letters and digits.

    Raises:
        RoleError: If no path is given, or one cannot be written.
    """
    if not paths:
        raise RoleError("name the files to make, as in: keys /secrets/password")
    for path in map(Path, paths):
        if path.exists():
            continue
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(secrets.token_hex(32))
            # Its volume is only in containers that need it, and their users differ.
            part.chmod(0o444)
            part.rename(path)
        except OSError as error:
            raise RoleError(f"the secret {path} cannot be written ({error.strerror})") from error
        sys.stderr.write(f"made {path}\n")
    return 0


def head(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """Ray's head; it trains nothing, so that no trial can take the cluster down with it."""
    alone = ["--num-cpus=0", "--num-gpus=0", "--include-dashboard=false"]
    _become([*_ray_start(), "--block", "--head", "--port=6379", *alone, *arguments], environment)


def worker(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """A node that trains; it ends with the head, and whoever starts it again waits for one."""
    command = [*_ray_start(), "--block", f"--address={_head_of(environment)}"]
    if cpus := environment.get("BNN_WORKER_CPUS"):
        command.append(f"--num-cpus={cpus}")
    _become([*command, *arguments], environment)


def driver(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """A command of bnn-orchestrate; one that trains joins the cluster first, without CPUs."""
    command = "" if {"-h", "--help"} & {*arguments} else next(iter(arguments), "")
    if command in JOINING + READING:
        _wait_for_mlflow(environment)
    if command in JOINING and environment.get("BNN_RAY_ADDRESS"):
        _join(environment)
    _become(["bnn-orchestrate", *arguments], environment)


def dashboard(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """The page on what MLflow has, for those who know the token.

    Raises:
        RoleError: If there is no token, or MLflow does not answer.
    """
    if not environment.get("BNN_DASHBOARD_TOKEN"):
        raise RoleError("the page wants a token: BNN_DASHBOARD_TOKEN_FILE names its file")
    _wait_for_mlflow(environment)
    command = ["bnn-orchestrate", "dashboard", "--host=0.0.0.0", f"--port={PAGE_PORT}"]
    _become([*command, *arguments], environment)


def _wait_for_mlflow(environment: Mapping[str, str]) -> None:
    tracking = environment.get("MLFLOW_TRACKING_URI", "")
    if tracking.startswith("http"):
        wait_for("MLflow's server", lambda: answers(f"{tracking.rstrip('/')}/health"))


def _join(environment: MutableMapping[str, str]) -> None:
    """Makes this container a node of the cluster: Ray connects a program to its own node alone."""
    address = _head_of(environment)
    command = [*_ray_start(), f"--address={address}", "--num-cpus=0", "--num-gpus=0"]
    done = subprocess.run(command, env=dict(environment), capture_output=True, text=True)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it says nothing"]
        raise RoleError(f"Ray's head at {address} does not let this container join ({lines[-1]})")


def mlflow(arguments: Sequence[str], environment: MutableMapping[str, str]) -> int:
    """MLflow's server, with passwords; experiments in PostgreSQL, artifacts in S3.

    Raises:
        RoleError: If a secret is missing, or what it needs does not answer.
    """
    for name in MLFLOW_SECRETS:
        if not environment.get(name):
            raise RoleError(f"MLflow's server needs a secret: {name}_FILE names its file")
    database = environment.pop("BNN_POSTGRES_ADDRESS", "postgres:5432")
    password = urllib.parse.quote(environment.pop("BNN_POSTGRES_PASSWORD", ""), safe="")
    wait_for(f"PostgreSQL at {database}", lambda: is_listening(database))
    # A database made in the locale C has no encoding of its own.
    uri = f"postgresql+psycopg://mlflow:{password}@{database}/mlflow?client_encoding=utf8"
    # Not as flags: those of a process can be seen by its neighbours.
    environment["MLFLOW_BACKEND_STORE_URI"] = uri
    AUTH_FILE.unlink(missing_ok=True)
    AUTH_FILE.touch(mode=0o600)
    AUTH_FILE.write_text(
        # Without the cache each request waits for the slow hash of its password.
        "[mlflow]\ndefault_permission = READ\nauth_cache_ttl_seconds = 60\n"
        f"database_uri = {uri.replace('%', '%%')}\n"
        "admin_username = admin\n"
        f"admin_password = {environment.pop('MLFLOW_AUTH_ADMIN_PASSWORD').replace('%', '%%')}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment["MLFLOW_AUTH_CONFIG_PATH"] = str(AUTH_FILE)
    _make_buckets(environment)
    command = ["mlflow", "server", "--host=0.0.0.0", "--port=5000", "--app-name=basic-auth"]
    _become([*command, *arguments], environment)


def _make_buckets(environment: Mapping[str, str]) -> None:
    """Makes the buckets of BNN_BUCKETS that are missing; waits for the storage to answer."""
    names = [name for name in environment.get("BNN_BUCKETS", "").split(",") if name]
    if not names:
        return
    script = (
        "import sys, pyarrow.fs\n"
        "for name in sys.argv[1:]:\n"
        "    url = f's3://{name}?allow_bucket_creation=true'\n"
        "    client, path = pyarrow.fs.FileSystem.from_uri(url)\n"
        "    client.create_dir(path)\n"
    )
    said: list[str] = []

    def is_made() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", script, *names],
            env=dict(environment),
            capture_output=True,
            text=True,
        )
        said[:] = done.stderr.strip().splitlines()[-1:]
        return done.returncode == 0

    try:
        wait_for(f"the storage at {environment.get('AWS_ENDPOINT_URL', 'AWS')}", is_made)
    except RoleError as error:
        raise RoleError(f"{error} ({' '.join(said)})") from error


def healthy(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Whether the role of this container does its work: 0, or 1."""
    role = ROLE_FILE.read_text() if ROLE_FILE.exists() else ""
    if role == "dashboard":
        # Its pages answer nobody without the token.
        return 0 if is_listening(f"127.0.0.1:{PAGE_PORT}") else 1
    page = {"head": RAYLET, "worker": RAYLET, "mlflow": MLFLOW}.get(role)
    # A driver that runs is healthy.
    return 0 if role and (page is None or answers(page)) else 1


def _head_of(environment: Mapping[str, str]) -> str:
    """The address of the head, once it listens there."""
    address = environment.get("BNN_RAY_ADDRESS", "head:6379")
    wait_for(f"Ray's head at {address}", lambda: is_listening(address))
    return address


def _ray_start() -> list[str]:
    return ["ray", "start", "--disable-usage-stats", f"--object-store-memory={STORE_BYTES}"]


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    sys.stderr.flush()
    os.execvpe(command[0], list(command), dict(environment))


Role = Callable[[Sequence[str], MutableMapping[str, str]], int]
ROLES: Mapping[str, Role] = {
    "dashboard": dashboard,
    "driver": driver,
    "head": head,
    "healthy": healthy,
    "keys": keys,
    "mlflow": mlflow,
    "worker": worker,
}
ONCE = ("healthy", "keys")
"""Roles that need no secrets, and do not last."""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
