"""`bnn-orchestrate sync`: brings to MLflow what earlier sweeps could not deliver."""

import argparse
import sys
from contextlib import closing

from orchestrator.cli.faults import EXIT_FAILED
from orchestrator.cli.options import add_home, add_verbose, home_of


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's flags."""
    parser = subparsers.add_parser(
        "sync", help="deliver results that MLflow has not got yet from this machine's journal"
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Delivers, and says how much; 1 if something could not be delivered."""
    from orchestrator.delivery import Delivery
    from orchestrator.hold import InUseError
    from orchestrator.journal import Journal
    from orchestrator.record import Store

    home = home_of(args)
    if not home.journal.exists():
        print(f"nothing waits: there is no journal for {home.tracking_uri} in {home.root}")
        return 0
    with closing(Journal(home.journal)) as journal:
        num_cells, num_points = len(journal.undelivered()), journal.num_unsent()
        if not num_cells:
            print(f"nothing waits: {home.tracking_uri} has all that {home.journal} has")
            return 0
        try:
            Delivery(journal, Store(home)).deliver()
        except InUseError:
            raise
        # Whatever the client raises: nothing is lost, and the same command goes on.
        except Exception as error:
            left = journal.num_unsent()
            reason = " ".join(str(error).split())[:200]
            print(
                f"error: {left:,} points still wait in {home.journal}: {reason}", file=sys.stderr
            )
            return EXIT_FAILED
    print(f"{num_points:,} points of {num_cells} cells delivered to {home.tracking_uri}")
    return 0
