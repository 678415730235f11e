"""`bnn-orchestrate protocol`: runs the stages of a network's protocol."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli.commands import command
from orchestrator.cli.faults import UsageError
from orchestrator.cli.notify import Ending, add_notify, told_at_end
from orchestrator.cli.options import (
    add_changes,
    add_data_dir,
    add_home,
    add_storage,
    add_verbose,
    home_of,
)
from orchestrator.cli.sweep import (
    add_resources,
    say_failures,
    say_how_to_go_on,
    say_secret,
    sweep_options,
)
from orchestrator.errors import EXIT_FAILED
from orchestrator.process import signals
from orchestrator.process.waiting import waiting_for
from orchestrator.results.summary import summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from rich.console import Console

    from orchestrator.execution.outcome import Outcome, SweepWatcher
    from orchestrator.home import Home
    from orchestrator.protocol.stages import Sensitivities

STEPS = ("sensitivity", "lr", "full", "matrix")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "protocol",
        help="sensitivities, learning rates, full runs and their matrix, in one go",
        description="Runs the studies NETWORK-sensitivity, NETWORK-lr and NETWORK-full, each "
        "built from the results of the previous one, and shows the matrix. Resumes where it "
        "stopped.",
    )
    parser.add_argument("network", nargs="?", metavar="NETWORK", help="such as mnist300 or vgg5")
    parser.add_argument(
        "--networks", type=_names, default=[], metavar="N,N,...", help="several, one after another"
    )
    parser.add_argument(
        "--from",
        dest="first",
        choices=STEPS,
        metavar="STAGE",
        help=f"start at this stage, with the recorded results of earlier ones: {', '.join(STEPS)}",
    )
    parser.add_argument("--only", choices=STEPS, metavar="STAGE", help="run only this stage")
    parser.add_argument("--dry-run", action="store_true", help="show the costs; train nothing")
    add_changes(parser)
    add_resources(parser)
    add_notify(parser)
    add_storage(parser)
    add_data_dir(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run, trains=True, shows=False)


def run(args: argparse.Namespace) -> int:
    """Runs the stages and prints the results of each."""
    from orchestrator.cli.console import make_console
    from orchestrator.protocol.stages import Changes, check_network
    from orchestrator.study.variant import Variant

    names = list(dict.fromkeys([*([args.network] if args.network else []), *args.networks]))
    if not names:
        raise UsageError("name a network, such as: bnn-orchestrate protocol digits --dry-run")
    if args.first and args.only:
        raise UsageError("--from and --only do not go together")
    for name in names:
        check_network(name)
    changes = Changes(
        variant=Variant.from_args(args),
        seeds=tuple(args.seeds) if args.seeds is not None else None,
    )
    steps = [args.only] if args.only else STEPS[STEPS.index(args.first or STEPS[0]) :]
    console, home = make_console(), home_of(args)
    if args.dry_run:
        from orchestrator.cli.protocol_costs import show_costs

        with waiting_for("the studies to be planned"):
            show_costs(names, [step for step in steps if step != "matrix"], changes, console)
        return 0
    from orchestrator.protocol.loop import ProtocolRun

    with told_at_end(args, home, Ending("protocol", {"networks": names}, stages=True)) as ending:
        display = _Display(args, console, home, ending)
        protocol = ProtocolRun(changes, home, sweep_options(args), display)
        protocol.run(names, steps)
        if protocol.interrupted:
            say_how_to_go_on(args, console)
            ending.code = signals.exit_code()
        else:
            display.say(f"results   {home.root}\nMLflow    {home.shown_uri}")
            ending.code = EXIT_FAILED if protocol.failed else 0
    return ending.code


class _Display:
    """Prints the progress and results of a protocol."""

    def __init__(
        self, args: argparse.Namespace, console: "Console", home: "Home", ending: Ending
    ) -> None:
        self.args, self.console, self.home, self.ending = args, console, home, ending

    def stage_begins(self, network: str, stage: str) -> "SweepWatcher":
        """Prints the stage's name and returns the display of its sweep."""
        from orchestrator.cli.display import sweep_display

        self.say(f"\n[{network}] stage {STEPS.index(stage) + 1} of 3: {stage}")
        return sweep_display(self.console)

    def stage_ended(self, outcome: "Outcome") -> None:
        """Prints the cells that failed."""
        say_failures(outcome, self.console)
        if self.ending.is_asked:
            self.ending.add(summary_of(outcome, self.home))

    def ranked(self, found: "Sensitivities") -> None:
        """Prints the table of layer by learning rate, and the resulting orders."""
        from dashboards.protocol_report import rates_table, table_title
        from orchestrator.cli.tables import print_table

        self.say(f"\n{table_title(found.table)}")
        print_table(self.console, rates_table(found.table))
        self.say(f"ascend    {_text(found.ascend)}: from the least to the most sensitive")
        self.say(f"descend   {_text(found.descend)}")
        if found.published is not None:
            self.say(f"published {_text(found.published)}: Kendall tau {found.kendall_tau:+.2f}")

    def rated(self, table: "pd.DataFrame") -> None:
        """Prints the table of row by learning rate."""
        from dashboards.protocol_report import rates_table, table_title
        from orchestrator.cli.tables import print_table

        self.say(f"\n{table_title(table)}")
        print_table(self.console, rates_table(table))

    def compared(
        self, matrices: "Mapping[str, pd.DataFrame]", rates: "Mapping[str, Mapping[str, str]]"
    ) -> None:
        """Prints the matrix, and the command that compares its cells."""
        from dashboards.protocol_report import networks_table, table_title
        from orchestrator.cli.tables import print_table

        title = table_title(next(iter(matrices.values())))
        self.say(f"\n{title}" if len(matrices) == 1 else f"\n{title.partition(': ')[2]}")
        print_table(self.console, networks_table(matrices, rates))
        for matrix in matrices.values():
            self.say(f"compare   {command(self.args, 'ui', matrix.attrs['study'])}")
        say_secret(self.args, self.console)

    def say(self, text: str) -> None:
        """Prints a line; brackets are not markup."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def _text(order: tuple[int, ...]) -> str:
    return "-".join(str(number) for number in order)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
