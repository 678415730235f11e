"""`bnn-orchestrate results`: a study's finished cells as CSV, read from MLflow only."""

import argparse
import sys

from orchestrator.cli.options import (
    add_home,
    add_study,
    add_verbose,
    home_of,
    named_or_changed,
    path_of,
)
from orchestrator.cli.outputs import require_writable_file, write_text


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "results", help="list a study's finished cells with all their metrics, as CSV"
    )
    add_study(parser, shows=True)
    parser.add_argument(
        "--format",
        choices=("tidy", "biprop"),
        default="tidy",
        help="tidy: a column for each axis and metric, under its name in MLflow; biprop: the "
        "columns of that paper's code, in percent (default: tidy); both count the selected epoch "
        "from 0",
    )
    parser.add_argument(
        "--csv", type=path_of, metavar="FILE", help="write to this file instead of printing"
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints or writes the table."""
    from dashboards.cells_table import cells_csv
    from dashboards.runs import study_runs

    require_writable_file(args.csv)
    runs = study_runs(named_or_changed(args), home_of(args).tracking_uri)
    text = cells_csv(runs, args.format)
    if args.csv is None:
        sys.stdout.write(text)
        return 0
    write_text(args.csv, text)
    print(f"{len(runs.cells)} cells of {runs.title} written to {args.csv}")
    return 0
