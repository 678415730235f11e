"""`bnn-orchestrate protocol`: the stages of a network's protocol, each fed by the one before."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli.faults import EXIT_FAILED, EXIT_INTERRUPTED, UsageError
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
    sweep_options,
    watched_sweep,
)

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.execution.sweep import SweepOptions
    from orchestrator.home import Home
    from orchestrator.protocol.protocol import Changes
    from orchestrator.record.store import Store
    from orchestrator.study.spec import StudySpec

STEPS = ("sensitivity", "lr", "full", "matrix")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's flags."""
    parser = subparsers.add_parser(
        "protocol",
        help="sensitivities, learning rates, full runs and their matrix, in one go",
        description="Runs the studies NETWORK-sensitivity, NETWORK-lr and NETWORK-full, each made "
        "from what the one before it found, and shows the matrix. Goes on where it stopped.",
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
        help=f"begin there, with what the store has of the stages before: {', '.join(STEPS)}",
    )
    parser.add_argument("--only", choices=STEPS, metavar="STAGE", help="this stage alone")
    parser.add_argument(
        "--dry-run", action="store_true", help="show what it would cost; train nothing"
    )
    add_changes(parser)
    add_resources(parser)
    add_storage(parser)
    add_data_dir(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Runs the stages and prints what each found."""
    from rich.console import Console

    from orchestrator.protocol.protocol import Changes, check_network
    from orchestrator.study.variant import Variant

    names = list(dict.fromkeys([*([args.network] if args.network else []), *args.networks]))
    if not names:
        raise UsageError("name a network, such as: bnn-orchestrate protocol mnist300")
    if args.first and args.only:
        raise UsageError("--from and --only do not go together")
    for name in names:
        check_network(name)
    changes = Changes(
        variant=Variant.from_args(args),
        seeds=tuple(args.seeds) if args.seeds is not None else None,
    )
    steps = [args.only] if args.only else STEPS[STEPS.index(args.first or STEPS[0]) :]
    console, home = Console(), home_of(args)
    if args.dry_run:
        from orchestrator.cli.protocol_costs import show_costs

        show_costs(names, [step for step in steps if step != "matrix"], changes, console)
        return 0
    return _Protocol(changes, home, sweep_options(args), console).run(names, steps)


class _Protocol:
    """What the steps of one protocol share."""

    def __init__(
        self, changes: "Changes", home: "Home", options: "SweepOptions", console: "Console"
    ) -> None:
        self.changes, self.home, self.options, self.console = changes, home, options, console
        self.launched = False

    def run(self, names: list[str], steps: "list[str] | tuple[str, ...]") -> int:
        from dashboards.runs import NoResultsError

        # Every file is checked before anything starts, not when its stage comes.
        for name in names:
            self._check(name)
        try:
            return self._run(names, steps)
        except NoResultsError as error:
            # So many cells failed that the next stage cannot be made; they are named above.
            if not self.launched:
                raise
            self._say(f"\nstopped   {error}")
            return EXIT_FAILED

    def _run(self, names: list[str], steps: "list[str] | tuple[str, ...]") -> int:
        failed = False
        for name in names:
            for step in steps:
                if step == "matrix":
                    continue
                study = self._study(name, step)
                self._say(f"\n[{name}] stage {STEPS.index(step) + 1} of 3: {step}")
                outcome = watched_sweep(study, self.home, self.options, self.console)
                self.launched = True
                say_failures(outcome, self.console)
                failed = failed or bool(outcome.failures)
                if outcome.interrupted:
                    say_how_to_go_on(self.console)
                    return EXIT_INTERRUPTED
                self._show(name, step)
        if "matrix" in steps:
            self._matrix(names)
        self._say(f"results   {self.home.root}\nMLflow    {self.home.shown_uri}")
        return EXIT_FAILED if failed else 0

    def _check(self, name: str) -> None:
        from orchestrator.protocol.protocol import FULL, LR, load_stage, unmeasured

        # It loads the first stage, too.
        given = unmeasured(name, self.changes)
        for stage in (LR, FULL):
            load_stage(name, stage, self.changes, given)

    def _study(self, name: str, stage: str) -> "StudySpec":
        from orchestrator.protocol.protocol import given_for, load_stage

        given = given_for(name, stage, self.changes, self.home)
        return load_stage(name, stage, self.changes, given or None)

    def _show(self, name: str, stage: str) -> None:
        """Prints and records what a stage found; the matrix of the full runs comes at the end."""
        from dashboards.protocol_report import rates_table, table_title
        from dashboards.stages import table_of
        from orchestrator.protocol.protocol import FULL, SENSITIVITY, sensitivities
        from orchestrator.protocol.publish import publish_rates, publish_sensitivities
        from orchestrator.record.store import Store

        if stage == FULL:
            return
        study, store = self._study(name, stage), Store(self.home)
        self._publish(study, store)
        if stage == SENSITIVITY:
            found = sensitivities(study, self.home)
            self._say(f"\n{table_title(found.table)}")
            self.console.print(rates_table(found.table))
            self._say(f"ascend    {_text(found.ascend)}: from the least to the most sensitive")
            self._say(f"descend   {_text(found.descend)}")
            if found.published is not None:
                self._say(
                    f"published {_text(found.published)}: Kendall tau {found.kendall_tau:+.2f}"
                )
            publish_sensitivities(store, found)
            return
        table = table_of(study, self.home.tracking_uri, column="lr")
        self._say(f"\n{table_title(table)}")
        self.console.print(rates_table(table))
        publish_rates(store, table)

    def _matrix(self, names: list[str]) -> None:
        from dashboards.protocol_report import networks_table, table_title
        from dashboards.stages import by_network
        from orchestrator.protocol.protocol import matrices, rates_of
        from orchestrator.protocol.publish import publish_protocol
        from orchestrator.record.store import Store

        found = matrices(names, self.changes, self.home)
        frames = {name: matrix for name, (_, matrix) in found.items()}
        rates = {name: rates_of(study) for name, (study, _) in found.items()}
        title = table_title(next(iter(frames.values())))
        self._say(f"\n{title}" if len(frames) == 1 else f"\n{title.partition(': ')[2]}")
        self.console.print(networks_table(frames, rates))
        store = Store(self.home)
        for study, _ in found.values():
            self._publish(study, store)
        publish_protocol(store, frames, by_network(frames))
        for study, _ in found.values():
            self._say(f"compare   bnn-orchestrate ui {study.name}")

    def _publish(self, study: "StudySpec", store: "Store") -> None:
        """What a sweep records of its study, too."""
        from dashboards import result_matrix
        from dashboards.runs import study_runs
        from orchestrator.results.publish import publish_matrix, publish_view

        publish_matrix(store, result_matrix(study, self.home.tracking_uri))
        publish_view(store, study_runs(study, self.home.tracking_uri))

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def _text(order: tuple[int, ...]) -> str:
    return "-".join(str(number) for number in order)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
