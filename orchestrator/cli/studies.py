"""`bnn-orchestrate studies`: what exists."""

import argparse
import os

from orchestrator.cli.options import add_verbose
from orchestrator.mlflow_reader.gc_pause import uncollected

MOST_LOOKED_AT = 6


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's flags."""
    parser = subparsers.add_parser("studies", help="list the studies that come with this package")
    add_verbose(parser)
    parser.set_defaults(run=run)


@uncollected()
def run(args: argparse.Namespace) -> int:
    """Prints name, question, trials and a cost hint of every study."""
    from rich.console import Console
    from rich.table import Table

    from orchestrator.planning.cost import duration, rough_seconds
    from orchestrator.planning.planning import plan
    from orchestrator.study.catalog import load_study, study_files
    from orchestrator.study.shipped import config_folder

    cores = os.cpu_count() or 1
    table = Table(box=None, pad_edge=False)
    table.add_column("study", no_wrap=True)
    for column in ("trials", "epochs"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column(f"rough time, {cores} cores", no_wrap=True)
    questions: list[str] = []
    for name in study_files():
        study = load_study(name, check_trials=False)
        todo, trials = plan(study), study.trials
        # Some of them will do for a hint: to look at a large network takes a while.
        some = trials[:: max(1, len(trials) // MOST_LOOKED_AT)]
        per_epoch = rough_seconds(some, num_cores=cores) / sum(t.train.epochs for t in some)
        cost = ("at most " if study.search else "") + duration(per_epoch * todo.epochs)
        table.add_row(name, str(todo.num_cells), f"{todo.epochs:,}", cost)
        questions.append(study.question)
    console = Console()
    with console.capture() as captured:
        console.print(table)
    head, *rows = captured.get().splitlines()
    print(head)
    for row, question in zip(rows, questions, strict=True):
        print(row)
        console.print(f"  {question}", style="dim", soft_wrap=True, highlight=False, markup=False)
    console.print(f"\ntheir files: {config_folder() / 'studies'}", soft_wrap=True)
    return 0
