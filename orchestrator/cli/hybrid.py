"""`bnn-orchestrate hybrid`: proposes which inputs of a binary network stay real, as a study."""

import argparse
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.cells import add_cell, cell_lines, trained_cell_of
from orchestrator.cli.commands import command, secret_hint
from orchestrator.cli.faults import UsageError
from orchestrator.cli.options import (
    add_data_dir,
    add_home,
    add_storage,
    add_verbose,
    data_folder_of,
    home_of,
    path_of,
)
from orchestrator.cli.outputs import require_writable_file, write_text
from orchestrator.process.waiting import waiting_for
from orchestrator.results.named import run_id_of
from orchestrator.vocabulary import LAYER_ERRORS_ARTIFACT, LAYER_MEASURES

if TYPE_CHECKING:
    from orchestrator.planning.hybrid import Rule
    from orchestrator.record.store import Store
    from orchestrator.results.hybrid import Measured
    from orchestrator.study.hybrid import Hybrid
    from trainers.spec.train_spec import TrainSpec

RULES = ("keep", "budget", "threshold")
SUFFIXES = (".yaml", ".yml")
HEADINGS = ("RMSE", "normalized RMSE", "1 - W²", "share of MACs")


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "hybrid",
        help="measure what binary inputs lose in each layer, and propose which stay real",
        description="Measures, on the validation images, how far the inputs of each layer of a "
        "trained network are from their signs. The table and a bar chart go to the run in MLflow. "
        "With one of --keep, --budget, --threshold, --named it also writes the study that trains "
        "the hybrid network next to both controls: all inputs binary, all inputs real.",
    )
    add_cell(
        parser,
        named="MLflow's id of a cell's run; best:STUDY for its fully binary cell with the lowest "
        "validation error, or best:STUDY/ROW for that of a row of its matrix",
    )
    rules = parser.add_mutually_exclusive_group()
    rules.add_argument(
        "--keep", type=int, metavar="N", help="the inputs of the N worst layers stay real"
    )
    rules.add_argument(
        "--budget",
        type=float,
        metavar="SHARE",
        help="those of the worst layers, as long as these have at most this share of the "
        "network's multiply-accumulates, in [0, 1]",
    )
    rules.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="those of all layers whose measure is above X",
    )
    rules.add_argument(
        "--named", metavar="NAME", help="those of a published hybrid: hybrid, v2, v3"
    )
    parser.add_argument(
        "--measure",
        choices=LAYER_MEASURES,
        help=f"what makes a layer worse than another (default: {LAYER_MEASURES[0]})",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=path_of,
        metavar="FILE",
        help="the study's file, named .yaml (default: a name made of the study's and the layers')",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace that file if it exists")
    add_data_dir(parser)
    add_storage(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the errors by layer, records them, and writes the study that was asked for."""
    _check(args)
    with waiting_for("PyTorch and MLflow to be loaded"):
        from orchestrator.record.store import Store
        from orchestrator.results.hybrid import (
            binary_trial,
            is_fully_binary,
            measured_cell,
            record_errors,
        )

    # Wrong numbers and names are refused before anything is measured.
    rule = _rule(args)
    home = home_of(args)
    run_id = run_id_of(args.run_id, home, prefers=is_fully_binary)
    store = Store(home)
    hybrid = _named(args, binary_trial(store, run_id))
    cell = trained_cell_of(args, store, run_id)
    measured = measured_cell(cell, data_dir=data_folder_of(args))
    for line in cell_lines(cell):
        print(line)
    if rule is not None:
        hybrid = _proposed(rule, measured)
    real = hybrid.real if hybrid else ()
    _show(measured, real)
    # Before MLflow is asked: it may be away.
    for line in _written(args, store, measured, hybrid) if hybrid else [_ways()]:
        print(line)
    record_errors(store, measured, real)
    stem = LAYER_ERRORS_ARTIFACT
    print(f"MLflow    {stem}.json (the table), {stem}.csv, {stem}.svg (a bar chart), of the run")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuses flags that do nothing together, and a file that cannot be the study's."""
    is_ruled = any(getattr(args, rule) is not None for rule in RULES)
    if args.measure and not is_ruled:
        raise UsageError("--measure ranks layers for --keep, --budget or --threshold; add one")
    if (args.output or args.overwrite) and not is_ruled and args.named is None:
        what = "a study is written only with one of --keep, --budget, --threshold, --named"
        raise UsageError(f"{what}; add one")
    if args.output is None:
        return
    if args.output.suffix not in SUFFIXES:
        raise UsageError(f"-o {args.output}: a study's file is named .yaml or .yml")
    _refuse_existing(args, args.output)
    require_writable_file(args.output)


def _refuse_existing(args: argparse.Namespace, path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name another file with -o")
    if path.exists() and not args.overwrite:
        raise UsageError(f"{path} exists; name another file with -o, or add --overwrite")


def _named(args: argparse.Namespace, spec: "TrainSpec") -> "Hybrid | None":
    from orchestrator.study.hybrid import published_hybrid
    from trainers.errors import SpecError

    if args.named is None:
        return None
    try:
        return published_hybrid(spec, args.named)
    except SpecError as error:
        raise SpecError(*error.under("--named")) from error


def _rule(args: argparse.Namespace) -> "Rule | None":
    """The rule that is given by a number, or None."""
    from orchestrator.planning.hybrid import Rule

    given = {rule: getattr(args, rule) for rule in RULES}
    if all(value is None for value in given.values()):
        return None
    return Rule(**given, measure=args.measure or LAYER_MEASURES[0])


def _proposed(rule: "Rule", measured: "Measured") -> "Hybrid":
    """The hybrid that a rule chooses."""
    from orchestrator.study.hybrid import own_hybrid
    from trainers.errors import SpecError

    try:
        real = rule.chosen(measured.errors, measured.shares)
    except SpecError:
        # What was measured helps to choose better.
        _show(measured, ())
        raise
    return own_hybrid(measured.cell.spec, real)


def _show(measured: "Measured", real: Collection[str]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from orchestrator.cli.console import make_console
    from orchestrator.cli.tables import print_table

    table = Table(box=None)
    table.add_column("layer", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    table.add_column("input")
    for layer, errors in measured.errors.items():
        numbers = [f"{value:.4f}" for value in errors]
        proposed = "stays real" if layer in real else "binary"
        table.add_row(escape(layer), *numbers, f"{measured.shares[layer]:.1%}", proposed)
    print_table(make_console(), table)


def _ways() -> str:
    return (
        "next      to write the study of a hybrid network, add --keep N, --budget SHARE, "
        "--threshold X or --named NAME"
    )


def _written(
    args: argparse.Namespace, store: "Store", measured: "Measured", hybrid: "Hybrid"
) -> list[str]:
    """Writes the study's file; what to print about it."""
    from orchestrator.results.hybrid import origin_of
    from orchestrator.study.hybrid import BINARY, REAL, hybrid_study, name_for

    origin = origin_of(store, measured.cell.run_id)
    name = name_for(origin.study, hybrid.label)
    path = args.output or Path(f"{name}.yaml")
    _refuse_existing(args, path)
    if args.output is not None and _is_name(path.stem) and path.stem != origin.study:
        name = path.stem
    text = hybrid_study(name, measured.cell.spec, hybrid, origin)
    write_text(path, text)
    share = sum(measured.shares.get(layer, 0.0) for layer in hybrid.real)
    seeds = len(origin.seeds)
    lines = [
        f"written   {path}: rows {BINARY}, {hybrid.label}, {REAL}; {seeds} "
        f"{'seed' if seeds == 1 else 'seeds'}",
        f"hybrid    real inputs: {', '.join(hybrid.real)}; "
        f"{_share(share)} of the multiply-accumulates",
        f"next      {command(args, *_sweep(args, path))}",
    ]
    hint = secret_hint(args)
    return [*lines, hint] if hint else lines


def _share(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _sweep(args: argparse.Namespace, path: Path) -> list[str]:
    """The words of the command that trains the study, on the same data."""
    words = ["sweep", str(path)]
    if args.data_dir is not None:
        words += ["--data-dir", args.data_dir]
    return words + (["--storage", args.storage] if args.storage else [])


def _is_name(text: str) -> bool:
    """Whether a study may have this name."""
    from orchestrator.study.reading import LONGEST_NAME

    plain = text.replace("-", "").replace("_", "")
    return plain.isalnum() and len(text) <= LONGEST_NAME
