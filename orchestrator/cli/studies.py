"""`bnn-orchestrate studies`: lists the shipped studies."""

import argparse
import os

from orchestrator.cli.options import add_verbose


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("studies", help="list the studies that come with this package")
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints name, question, trials and rough cost of every study."""
    from rich.table import Table

    from orchestrator.cli.console import make_console
    from orchestrator.cli.tables import print_table
    from orchestrator.planning.cost import duration
    from orchestrator.planning.listing import listing
    from orchestrator.study.shipped import config_folder

    cores = os.cpu_count() or 1
    table = Table(box=None, pad_edge=False)
    # A name is there to be typed, so it is not folded.
    table.add_column("study", no_wrap=True)
    for column in ("trials", "epochs"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(f"rough time, {cores} cores", no_wrap=True)
    studies = listing()
    for study in studies:
        cost = ("at most " if study.is_searched else "") + duration(study.core_seconds / cores)
        table.add_row(study.name, str(study.trials), f"{study.epochs:,}", cost)
    console = make_console()
    with console.capture() as captured:
        print_table(console, table)
    head, *rows = captured.get().splitlines()
    print(head)
    for row, study in zip(rows, studies, strict=True):
        print(row)
        text = f"  {study.question}"
        console.print(text, style="dim", soft_wrap=True, highlight=False, markup=False)
    console.print(f"\ntheir files: {config_folder() / 'studies'}", soft_wrap=True)
    return 0
