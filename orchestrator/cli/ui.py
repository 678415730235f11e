"""`bnn-orchestrate ui`: serves MLflow's own pages on the results."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.cli import hosts
from orchestrator.cli.faults import UsageError
from orchestrator.cli.listening import add_listening, refuse_taken
from orchestrator.cli.options import add_home, add_verbose, home_of
from orchestrator.home import Home
from orchestrator.masking import shown_address
from orchestrator.mlflow_reader.address import is_database_server
from orchestrator.process import signals
from orchestrator.process.leash import leashed
from orchestrator.process.waiting import waiting_for

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SIDE_BY_SIDE = 24
ASK_EVERY_S = 0.2


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("ui", help="open MLflow's pages on the results")
    parser.add_argument(
        "study", nargs="?", metavar="STUDY", help="print the link that compares its cells"
    )
    add_listening(parser, port=5000)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the links; serves the pages until Ctrl-C, unless the store is a server itself."""
    home = home_of(args)
    has_server = home.tracking_uri.startswith(("http://", "https://"))
    if has_server and args.allowed_hosts:
        raise UsageError(f"--allowed-hosts: {home.shown_uri} is a server already, and has its own")
    if home.database is not None and not home.database.exists():
        raise UsageError(f"there are no results in {home.database}; run a sweep first")
    if has_server:
        # A browser asks for the password itself.
        base = shown_address(home.tracking_uri, user="").rstrip("/")
    else:
        refuse_taken(args.host, args.port)
        with waiting_for("the name of this machine"):
            base = f"http://{hosts.link_host(args.host)}:{args.port}"
    if home.database is not None:
        _find_artifacts(home)
    if is_database_server(home.tracking_uri):
        _refuse_silent(home)
    for line in _links(args.study, home, base):
        print(line, flush=True)
    if has_server:
        return 0
    if not hosts.is_loopback(args.host):
        names = ", ".join((*hosts.own_names(args.host), *(args.allowed_hosts or ())))
        print(f"names     {names}; more with --allowed-hosts NAME,...", flush=True)
    print("Ctrl-C ends it", flush=True)
    return _serve(args, home.tracking_uri)


def _refuse_silent(home: Home) -> None:
    """Refuses a database that is away; MLflow's server would try it for minutes, in silence."""
    from orchestrator.mlflow_reader.reader import StoreError
    from orchestrator.record.store import Store

    if silence := Store(home).silence():
        raise StoreError(f"{home.shown_uri}: {silence}")


def _links(study: str | None, home: Home, base: str) -> list[str]:
    if study is None:
        return [f"MLflow    {base}"]
    from dashboards.runs import study_runs
    from orchestrator.record.store import Store
    from orchestrator.results.publish import publish_view

    runs = study_runs(study, home.tracking_uri)
    # Publish the view again: a killed sweep saved none, and later cells may have outdated it.
    with waiting_for("MLflow to take the view"):
        view = publish_view(Store(home), runs)
    links = [f"compare   {view.link(base, runs.experiment_id)}"]
    # MLflow's page shows the cells in columns; the link grows with every cell.
    if len(runs.cells) > MOST_SIDE_BY_SIDE:
        return links
    cells = json.dumps([cell.run_id for cell in runs.cells], separators=(",", ":"))
    shown = {"runs": cells, "experiments": f'["{runs.experiment_id}"]'}
    # Selects the pages for training runs; MLflow's default is those for language models.
    query = urllib.parse.urlencode({**shown, "workflowType": "machine_learning"})
    return [*links, f"details   {base}/#/compare-runs?{query}"]


def _find_artifacts(home: Home) -> None:
    """Corrects where artifacts lie, if the home was moved; the pages show all else without."""
    from orchestrator.mlflow_reader.reader import StoreError
    from orchestrator.record.delivery_lock import InUseError
    from orchestrator.record.store import Store

    # A sweep may use the home by another name, or the store may be read-only.
    with suppress(InUseError, StoreError):
        Store(home)


def _serve(args: argparse.Namespace, tracking_uri: str) -> int:
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # MLflow's job runner starts seven more processes, and we need none of them.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # It may hold a password, and every user of the machine can read arguments.
        "MLFLOW_BACKEND_STORE_URI": tracking_uri,
    }
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--host", args.host, "--port", str(args.port)]
    command += _names_allowed(args.host, args.allowed_hosts or ())
    output = None if args.verbose else subprocess.DEVNULL
    try:
        with leashed(command, environment=environment, output=output) as server:
            _wait_for_pages(server, args.host, args.port)
            code = server.wait()
    except KeyboardInterrupt:
        # Ctrl-C is how one ends it.
        is_usual = signals.heard() in (None, signal.SIGINT)
        return 0 if is_usual else signals.exit_code()
    if code:
        raise UsageError(f"MLflow's server ended with code {code}; run again with -v to see why")
    return 0


def _names_allowed(host: str, more: "Sequence[str]") -> list[str]:
    """Flags of MLflow's server for the names that it answers to; none: only its own defaults."""
    if hosts.is_loopback(host) and not more:
        return []
    own = [*hosts.LOCAL, *hosts.own_names(host), *more]
    flags = []
    # What an administrator has set holds, unless asked otherwise.
    if more or "MLFLOW_SERVER_ALLOWED_HOSTS" not in os.environ:
        answers = ["*"] if "*" in own else [*hosts.patterns(own), *hosts.PRIVATE]
        flags += ["--allowed-hosts", ",".join(answers)]
    if more or "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS" not in os.environ:
        flags += ["--cors-allowed-origins", ",".join(hosts.origins(own))]
    return flags


def _wait_for_pages(server: "subprocess.Popen[bytes]", host: str, port: int) -> None:
    """Returns when the server listens, or has ended."""
    near = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    with waiting_for("MLflow's server to listen"):
        while server.poll() is None:
            try:
                socket.create_connection((near, port), timeout=1).close()
            except OSError:
                time.sleep(ASK_EVERY_S)
            else:
                return
