"""`bnn-orchestrate ui`: serves MLflow's own pages on the results."""

import argparse
import json
import os
import socket
import subprocess
import sys
import urllib.parse
from contextlib import suppress

from orchestrator.cli.faults import UsageError
from orchestrator.cli.options import add_home, add_verbose, home_of
from orchestrator.home import Home

MOST_SIDE_BY_SIDE = 24


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("ui", help="open MLflow's pages on the results")
    parser.add_argument(
        "study", nargs="?", metavar="STUDY", help="print the link that compares its cells"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: loopback)"
    )
    parser.add_argument("--port", type=int, default=5000)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the links; serves the pages until Ctrl-C, unless the store is a server itself."""
    home = home_of(args)
    has_server = home.tracking_uri.startswith(("http://", "https://"))
    base = home.shown_uri.rstrip("/") if has_server else f"http://{args.host}:{args.port}"
    if home.database is not None and not home.database.exists():
        raise UsageError(f"there are no results in {home.database}; run a sweep first")
    if not has_server:
        _refuse_taken(args.host, args.port)
    if home.database is not None:
        _find_artifacts(home)
    for line in _links(args.study, home, base):
        print(line, flush=True)
    if has_server:
        return 0
    print("Ctrl-C ends it", flush=True)
    return _serve(args, home.tracking_uri)


def _links(study: str | None, home: Home, base: str) -> list[str]:
    if study is None:
        return [f"MLflow    {base}"]
    from dashboards.runs import study_runs
    from orchestrator.record.store import Store
    from orchestrator.results.publish import publish_view

    runs = study_runs(study, home.tracking_uri)
    # Publish the view again: a killed sweep saved none, and later cells may have outdated it.
    view = publish_view(Store(home), runs)
    links = [f"compare   {view.link(base, runs.experiment_id)}"]
    # MLflow's page shows the cells in columns; the link grows with every cell.
    if len(runs.cells) > MOST_SIDE_BY_SIDE:
        return links
    cells = json.dumps([cell.run_id for cell in runs.cells], separators=(",", ":"))
    query = urllib.parse.urlencode({"runs": cells, "experiments": f'["{runs.experiment_id}"]'})
    return [*links, f"details   {base}/#/compare-runs?{query}"]


def _find_artifacts(home: Home) -> None:
    """Corrects where artifacts lie, if the home was moved; the pages show all else without."""
    from orchestrator.mlflow_reader.reader import StoreError
    from orchestrator.record.delivery_lock import InUseError
    from orchestrator.record.store import Store

    # A sweep may use the home by another name, or the store may be read-only.
    with suppress(InUseError, StoreError):
        Store(home)


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            what = f"cannot listen on {host}:{port} ({error.strerror})"
            raise UsageError(f"{what}; take another --port") from error


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
    output = None if args.verbose else subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=output, stderr=output) as server:
        try:
            code = server.wait()
        except KeyboardInterrupt:
            server.terminate()
            server.wait()
            return 0
    if code:
        raise UsageError(f"MLflow's server ended with code {code}; run again with -v to see why")
    return 0
