"""`bnn-orchestrate matrix`: shows a study's result matrix, read from MLflow only."""

import argparse
import shlex
from typing import TYPE_CHECKING

from orchestrator.cli.faults import UsageError
from orchestrator.cli.options import (
    add_home,
    add_study,
    add_verbose,
    home_of,
    named_or_changed,
    path_of,
)
from orchestrator.cli.outputs import require_writable_file, write_text
from orchestrator.masking import masked

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

VIEW_NAMES = ("sensitivity", "rates", "positions", "pairs", "budget", "shares", "effects")
"""The names of `dashboards.analysis.views.VIEWS`, for which help and completion need not wait."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("matrix", help="show a study's result matrix")
    add_study(parser, shows=True)
    parser.add_argument(
        "--metric", metavar="METRIC", help="the metric to show (default: the study's metric)"
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="AXIS=LABEL",
        help="use only matching cells; may be repeated",
    )
    parser.add_argument(
        "--view",
        metavar="VIEW",
        help=f"another view of the same cells: {', '.join(VIEW_NAMES)}; see docs/matrix.md",
    )
    parser.add_argument(
        "--csv", type=path_of, metavar="FILE", help="also write it to this file, with all digits"
    )
    parser.add_argument(
        "--latex",
        type=path_of,
        metavar="FILE",
        help="also write it to this file as a LaTeX table, for the package booktabs",
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

    if args.view is not None and args.latex:
        raise UsageError("--latex writes the matrix, not a view; leave out --view")
    require_writable_file(args.csv)
    require_writable_file(args.latex)
    if args.view is not None:
        return _show_view(args)
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
        _write(args.csv, matrix_csv(matrix), console)
    if args.latex:
        from dashboards.comparison import compare
        from dashboards.latex import matrix_latex

        command = masked(shlex.join(["bnn-orchestrate", *args.typed]))
        _write(args.latex, matrix_latex(matrix, compare(matrix), command=command), console)
    return 0


def _show_view(args: argparse.Namespace) -> int:
    from dashboards.analysis.text import title
    from dashboards.analysis.views import VIEWS, view_frame
    from dashboards.curves import curve_reader
    from dashboards.runs import study_runs
    from orchestrator.cli.console import make_console
    from orchestrator.cli.tables import print_table
    from trainers.errors import choose

    view, home = choose("view", VIEWS, args.view), home_of(args)
    where = _pairs(args.where)
    runs = study_runs(named_or_changed(args), home.tracking_uri)
    read = curve_reader(home.tracking_uri)
    frame = view_frame(args.view, runs, read, metric=args.metric, where=where)
    table, lines = view.text(frame)
    console = make_console()
    console.print(f"{view.answers}\n{title(frame)}", markup=False, highlight=False, soft_wrap=True)
    print_table(console, table)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if args.csv:
        _write(args.csv, str(frame.to_csv(lineterminator="\n")), console)
    return 0


def _write(path: "Path", text: str, console: "Console") -> None:
    write_text(path, text)
    console.print(f"written to {path}", soft_wrap=True, markup=False)


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in texts:
        axis, equals, label = text.partition("=")
        if not equals:
            raise UsageError(f"--where {text}: expected AXIS=LABEL, such as order=reverse")
        pairs[axis.strip()] = label
    return pairs
