"""`bnn-orchestrate matrix`: shows a study's result matrix, read from MLflow only."""

import argparse

from orchestrator.cli.faults import UsageError
from orchestrator.cli.options import (
    add_home,
    add_study,
    add_verbose,
    home_of,
    named_or_changed,
    path_of,
)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("matrix", help="show a study's result matrix")
    add_study(parser)
    parser.add_argument("--metric", help="the metric to show (default: the study's metric)")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="AXIS=LABEL",
        help="use only matching cells; may be repeated",
    )
    parser.add_argument(
        "--csv", type=path_of, metavar="FILE", help="also write it to this file, with all digits"
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the matrix."""
    from dashboards import result_matrix
    from dashboards.report import matrix_csv
    from orchestrator.cli.console import make_console
    from orchestrator.cli.tables import print_matrix

    home, study = home_of(args), named_or_changed(args)
    matrix = result_matrix(study, home.tracking_uri, metric=args.metric, where=_pairs(args.where))
    console = make_console()
    if not matrix.attrs["is_asked"]:
        console.print(
            f"no cell of the study as in its file is finished; this is {matrix.attrs['title']}\n",
            markup=False,
        )
    print_matrix(console, matrix)
    if args.csv:
        args.csv.parent.mkdir(parents=True, exist_ok=True)
        args.csv.write_text(matrix_csv(matrix), encoding="utf-8")
        console.print(f"written to {args.csv}", soft_wrap=True, markup=False)
    return 0


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        axis, equals, label = text.partition("=")
        if not equals:
            raise UsageError(f"--where {text}: expected AXIS=LABEL, such as order=reverse")
        pairs[axis.strip()] = label
    return pairs
