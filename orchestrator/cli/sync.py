"""`bnn-orchestrate sync`: delivers to MLflow the results that earlier sweeps could not."""

import argparse
import sys
from contextlib import closing

from orchestrator.cli.options import add_home, add_verbose, home_of
from orchestrator.errors import EXIT_FAILED
from orchestrator.process.waiting import waiting_for


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "sync", help="deliver results from this machine's journal that MLflow lacks"
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Delivers results and says how many; returns 1 if some could not be delivered."""
    from orchestrator.mlflow_reader.outages import reason
    from orchestrator.record.delivery import Delivery
    from orchestrator.record.delivery_lock import InUseError
    from orchestrator.record.journal import Journal
    from orchestrator.record.known import forget_lost
    from orchestrator.record.mending import mend_all
    from orchestrator.record.overview_writer import refresh_overviews
    from orchestrator.record.store import Store

    home = home_of(args)
    if not home.journal.exists():
        print(f"nothing waits: there is no journal for {home.shown_uri} in {home.root}")
        return 0
    with closing(Journal(home.journal)) as journal:
        num_cells, num_points = len(journal.undelivered()), journal.num_unsent()
        store = Store(home)
        try:
            if [*forget_lost(journal, store), *mend_all(journal, store)]:
                num_cells, num_points = len(journal.undelivered()), journal.num_unsent()
            if not num_cells and not journal.unsent_studies():
                print(f"nothing waits: {home.shown_uri} has all that {home.journal} has")
                return 0
            studies = {entry.description.study for entry in journal.undelivered()}
            studies |= {record.key for record in journal.unsent_studies()}
            with waiting_for(f"{home.shown_uri} to take {num_points:,} points"):
                Delivery(journal, store).deliver()
                refresh_overviews(journal, home, sorted(studies))
        except InUseError:
            raise
        # The client raises many kinds of errors. Nothing is lost; the same command resumes.
        except Exception as error:
            remaining = journal.num_unsent()
            what = f"{remaining:,} points still wait in {home.journal}"
            print(f"error: {what}: {reason(error)}", file=sys.stderr)
            return EXIT_FAILED
    print(f"{num_points:,} points of {num_cells} cells delivered to {home.shown_uri}")
    return 0
