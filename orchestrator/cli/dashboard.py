"""`bnn-orchestrate dashboard`: serves a web page on the results, live while a sweep runs."""

import argparse
import gc
import logging
import os
import secrets
import signal

from orchestrator.cli import hosts
from orchestrator.cli.faults import UsageError
from orchestrator.cli.listening import add_listening, bound
from orchestrator.cli.options import add_home, add_verbose, home_of
from orchestrator.home import Home
from orchestrator.process import signals
from orchestrator.process.waiting import told_by, waiting_for

log = logging.getLogger(__name__)

PORT = 5050
TOKEN = "BNN_DASHBOARD_TOKEN"
"""The variable with the token, for those who do not want it among the arguments."""
SHORTEST_TOKEN = 8


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "dashboard", help="open a page on the results: matrix, curves, cells; live during a sweep"
    )
    parser.add_argument(
        "study", nargs="?", metavar="STUDY", help="print the link to this study's matrix"
    )
    add_listening(parser, port=PORT)
    parser.add_argument(
        "--token",
        type=_token,
        help=f"what visitors have to know ({TOKEN}, else made and printed if --host is not "
        "loopback)",
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the link and serves the pages until Ctrl-C."""
    home = home_of(args)
    token = _chosen_token(args)
    with bound(args.host, args.port) as listening:
        path = _path(args.study, home) if args.study else "/"
        # A command that reads and ends collects no garbage; this one stays.
        gc.enable()
        with waiting_for("the name of this machine"):
            base = f"http://{hosts.link_host(args.host)}:{args.port}"
            names = _names(args)
        from dashboards.page.app import application
        from dashboards.page.server import serve

        app = application(
            home.tracking_uri, names=names, token=token, cookie=f"bnn_dashboard_{args.port}"
        )
        # Of a token in the environment, logs are to say nothing.
        is_told = bool(token) and (args.token is not None or token != os.environ.get(TOKEN))
        print(f"page      {base}{path}{f'?token={token}' if is_told else ''}", flush=True)
        if is_told:
            print("token     whoever has this link sees all results", flush=True)
        elif token:
            print(
                f"token     that of {TOKEN}; the first time, add ?token=... to the link",
                flush=True,
            )
        print("Ctrl-C ends it", flush=True)
        try:
            # Whoever looks sees that it takes a while.
            with told_by(log.info):
                serve(app, listening)
        except KeyboardInterrupt:
            # Ctrl-C is how one ends it.
            is_usual = signals.heard() in (None, signal.SIGINT)
            return 0 if is_usual else signals.exit_code()
        finally:
            # Nobody wants to wait until Python has looked through all that was read.
            gc.disable()
            gc.freeze()
    return 0


def _path(study: str, home: Home) -> str:
    """The address of a study's matrix.

    Raises:
        UsageError: If the store has no such study.
    """
    from dashboards.page.addresses import of_study
    from dashboards.page.source import GoneError, Source
    from orchestrator.mlflow_reader.reader import instead_of

    source = Source(home.tracking_uri)
    try:
        source.variant(study)
    except GoneError as error:
        recorded = {one.study for one in source.variants()}
        raise UsageError(f"{error}; {instead_of(study, recorded)}") from error
    return of_study(study)


def _names(args: argparse.Namespace) -> list[str]:
    """More names that the pages answer to; on loopback none but those that were asked for."""
    own = [] if hosts.is_loopback(args.host) else hosts.own_names(args.host)
    return [*own, *(args.allowed_hosts or ())]


def _chosen_token(args: argparse.Namespace) -> str:
    given = args.token or os.environ.get(TOKEN, "")
    if given and args.token is None:
        try:
            _token(given)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{TOKEN}: {error}") from error
    if given or hosts.is_loopback(args.host):
        return str(given)
    return secrets.token_urlsafe(24)


def _token(text: str) -> str:
    fine = all(letter.isascii() and (letter.isalnum() or letter in "-_.~") for letter in text)
    if len(text) < SHORTEST_TOKEN or not fine:
        what = f"expected {SHORTEST_TOKEN} or more letters, digits, or any of - _ . ~"
        raise argparse.ArgumentTypeError(what)
    return text
