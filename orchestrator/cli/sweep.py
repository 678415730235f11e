"""`bnn-orchestrate sweep`: trains the remaining cells of a study and shows its matrix."""

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.cli.commands import command, same_command, secret_hint
from orchestrator.cli.faults import UsageError
from orchestrator.cli.notify import Ending, add_notify, told_at_end
from orchestrator.cli.options import (
    add_data_dir,
    add_home,
    add_storage,
    add_study,
    add_verbose,
    data_folder_of,
    home_of,
    storage_of,
    study_of,
)
from orchestrator.errors import EXIT_FAILED
from orchestrator.process import signals
from orchestrator.process.gc_pause import uncollected
from orchestrator.process.waiting import waiting_for
from orchestrator.results.summary import summary_of, summary_of_settled

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from orchestrator.execution.options import SweepOptions
    from orchestrator.execution.outcome import Outcome
    from orchestrator.home import Home
    from orchestrator.results.settled import Outline


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("sweep", help="train the remaining cells of a study")
    add_study(parser)
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="train only the cells that failed for good",
    )
    add_resources(parser)
    add_notify(parser)
    add_storage(parser)
    add_data_dir(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run, trains=True, shows=False)


def add_resources(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for the resources of trials, and where they run."""
    resources = parser.add_argument_group("resources")
    resources.add_argument(
        "--cpus-per-trial",
        type=_positive,
        metavar="N",
        help="CPUs of a trial, for all its processes (default: 1 for each process)",
    )
    resources.add_argument(
        "--gpus-per-trial",
        type=_number_or_auto,
        metavar="N|auto",
        help="a fraction shares a GPU; several processes need one each; auto: measure the memory "
        "of the first epoch, and fill each GPU (default: 1 for each process if there are GPUs, "
        "else 0)",
    )
    resources.add_argument(
        "--processes-per-trial",
        type=int,
        metavar="N",
        help="processes that train a trial together, each a part of every batch (the study's "
        "trial.processes, else 1)",
    )
    resources.add_argument(
        "--concurrency", type=int, metavar="N", help="most trials at once (default: all that fit)"
    )
    resources.add_argument(
        "--ray-address",
        default=os.environ.get("BNN_RAY_ADDRESS") or None,
        metavar="ADDRESS",
        help="join this cluster (BNN_RAY_ADDRESS, else an embedded Ray)",
    )
    resources.add_argument(
        "--min-nodes",
        type=int,
        default=os.environ.get("BNN_MIN_NODES") or 0,
        metavar="N",
        help="begin when this many nodes of the cluster have room for a trial (BNN_MIN_NODES, "
        "else do not wait)",
    )
    resources.add_argument(
        "--deterministic", action="store_true", help="use only deterministic algorithms on CUDA"
    )
    resources.add_argument(
        "--no-graphs",
        action="store_true",
        help="on CUDA, start each operation of a training step from Python; else a step is "
        "recorded as a graph and replayed where that is possible",
    )
    resources.add_argument(
        "--no-share",
        action="store_true",
        help="train every trial on its own, even if their layer orders begin alike",
    )
    resources.add_argument(
        "--force", action="store_true", help="start even if the disk has too little room"
    )
    resources.add_argument(
        "--accept-code",
        action="store_true",
        help="count results of other code, and train the remaining cells with this code; MLflow "
        "notes it on the study and its cells",
    )


def run(args: argparse.Namespace) -> int:
    """Runs a sweep; prints the matrix and where everything is stored."""
    home = home_of(args)
    with told_at_end(args, home, Ending("sweep", {"study": args.study})) as ending:
        ending.code = _swept(args, home, ending)
    return ending.code


def _swept(args: argparse.Namespace, home: "Home", ending: Ending) -> int:
    from orchestrator.results.settled import depends_on, keep_outline, known_outline
    from orchestrator.study.variant import Variant

    given = depends_on(args.study, Variant.from_args(args), args.seeds)
    outline = known_outline(given) if _is_usual(args) else None
    if outline is not None and _show_settled(outline, args, home):
        if ending.is_asked:
            title = Variant.from_args(args).title(outline.name)
            ending.add(summary_of_settled(outline, title, len(outline.cells), home))
        return 0
    with uncollected():
        study, options = study_of(args), sweep_options(args)
        from orchestrator.results.recorded_sweep import recorded_sweep
    if args.retry_failed:
        if study.is_searched:
            raise UsageError("--retry-failed does not work for a search, which draws its cells")
        options = replace(options, only_failed=True)

    from orchestrator.cli.console import make_console
    from orchestrator.cli.display import sweep_display

    keep_outline(given, study)
    console = make_console()
    result = recorded_sweep(
        study,
        home,
        options,
        sweep_display(console),
        show=lambda matrix: _show_matrix(matrix, console),
    )
    outcome = result.outcome
    if ending.is_asked:
        ending.add(summary_of(outcome, home))
    if outcome.num_undelivered:
        console.print("\nthe matrix is shown once MLflow has the results")
    elif result.silence:
        console.print(f"\nthe matrix cannot be shown now: {result.silence}", markup=False)
    _say_end(outcome, args, home, console)
    if outcome.interrupted:
        say_how_to_go_on(args, console)
        return signals.exit_code()
    return EXIT_FAILED if outcome.failures else 0


def _is_usual(args: argparse.Namespace) -> bool:
    """Whether nothing is asked for that may be refused, or done, though nothing is left."""
    amounts = ("cpus_per_trial", "gpus_per_trial", "processes_per_trial", "concurrency")
    places = ("ray_address", "storage")
    is_plain = all(getattr(args, name) is None for name in (*amounts, *places))
    return is_plain and not (args.retry_failed or args.accept_code)


@uncollected()
def _show_settled(outline: "Outline", args: argparse.Namespace, home: "Home") -> bool:
    """Prints and records the matrix of a study with nothing left to do; whether it is one."""
    from orchestrator.results.settled import is_settled

    with waiting_for("MLflow to say what is recorded"):
        if not is_settled(outline, home):
            return False

    from orchestrator.cli.console import make_console
    from orchestrator.cli.display import SweepDisplay
    from orchestrator.results.publish import matrix_of_finished, record_matrix

    console = make_console()
    SweepDisplay(console).settled(outline)
    matrix = matrix_of_finished(outline, home)
    _show_matrix(matrix, console)
    if matrix is not None:
        record_matrix(outline, matrix, home)
    _say_places(outline.name, args, home, console)
    return True


def sweep_options(args: argparse.Namespace) -> "SweepOptions":
    """The options that the flags of `add_resources` ask for.

    Raises:
        UsageError: If a flag's value is not valid.
    """
    for name in ("concurrency", "processes_per_trial"):
        if (num := getattr(args, name)) is not None and num < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be 1 or more, got {num}")
    if args.min_nodes < 0:
        raise UsageError(f"--min-nodes must be 0 or more, got {args.min_nodes}")

    from orchestrator.execution.options import SweepOptions, resources_of

    return SweepOptions(
        data_dir=data_folder_of(args),
        resources=resources_of(
            args.cpus_per_trial,
            args.gpus_per_trial,
            args.concurrency,
            ray_address=args.ray_address,
        ),
        ray_address=args.ray_address,
        min_nodes=args.min_nodes,
        deterministic=args.deterministic,
        graphs=not args.no_graphs,
        verbose=args.verbose,
        share=not args.no_share,
        storage=storage_of(args),
        force=args.force,
        accept_code=args.accept_code,
        processes=args.processes_per_trial,
    )


def say_how_to_go_on(args: argparse.Namespace, console: "Console") -> None:
    """Prints the command that resumes after an interruption."""
    text = f"\ninterrupted; resume with: {same_command(args)}"
    console.print(text, soft_wrap=True, highlight=False, markup=False)
    say_secret(args, console)


def say_secret(args: argparse.Namespace, console: "Console") -> None:
    """Prints what a printed command lacks, if the store's address holds a password."""
    if hint := secret_hint(args):
        console.print(f"          {hint}", soft_wrap=True, highlight=False, markup=False)


def say_failures(outcome: "Outcome", console: "Console") -> None:
    """Prints each failed cell, the reason, and the path of its log."""
    for failure in outcome.failures:
        text = f"failed    {failure.name}: {failure.reason}\n          log: {failure.log}"
        console.print(text, soft_wrap=True, highlight=False, markup=False)


def _show_matrix(matrix: "pd.DataFrame | None", console: "Console") -> None:
    from orchestrator.cli.tables import print_matrix

    if matrix is None:
        console.print("\nno cell is finished yet")
        return
    console.print()
    print_matrix(console, matrix)


def _say_end(
    outcome: "Outcome", args: argparse.Namespace, home: "Home", console: "Console"
) -> None:
    from orchestrator.planning.cost import duration

    def say(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    say_failures(outcome, console)
    if outcome.num_copied:
        say(
            f"{outcome.num_copied} cells were already trained elsewhere; their results were copied"
        )
    if outcome.num_undelivered:
        say(
            f"MLflow lacks results of {outcome.num_undelivered:,} cells; they are safe in "
            f"{home.journal}; deliver them with the next sweep, or with: {command(args, 'sync')}"
        )
    if outcome.train_s:
        say(
            f"took      {duration(outcome.wall_s)}; training {duration(outcome.train_s)} over all "
            f"workers, tracking {outcome.track_s:.1f} s"
        )
    _say_places(outcome.plan.study.name, args, home, console)


def _say_places(name: str, args: argparse.Namespace, home: "Home", console: "Console") -> None:
    for text in (
        f"results   {home.root}",
        f"MLflow    {home.shown_uri}",
        f"compare   {command(args, 'ui', name)}",
    ):
        console.print(text, soft_wrap=True, highlight=False, markup=False)
    say_secret(args, console)


def _number_or_auto(text: str) -> float | str:
    if text == "auto":
        return text
    try:
        return _not_negative(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}; or write auto") from None


def _positive(text: str) -> float:
    value = _not_negative(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got '{text}'") from None
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text}")
    return value
