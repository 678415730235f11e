"""`bnn-orchestrate compare`: two recorded cells beside each other, read from MLflow only."""

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.cells import BEST_HELP
from orchestrator.cli.options import add_home, add_verbose, home_of
from orchestrator.cli.tables import print_table
from orchestrator.results.named import run_id_of

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from dashboards.recorded_run import RecordedRun

WIDTH = 30
"""Most letters of a curve."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "compare", help="show what differs between two recorded cells, and their curves"
    )
    parser.add_argument(
        "runs",
        nargs=2,
        metavar="RUN",
        help=BEST_HELP,
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints what differs in spec and origin, then curves and sign flips."""
    from dashboards.compared import origin_differences, spec_differences
    from dashboards.recorded_run import read_run
    from orchestrator.cli.console import make_console

    home = home_of(args)
    one, other = (read_run(run_id_of(name, home), home.tracking_uri) for name in args.runs)
    console = make_console()
    for word, side in (("one", one), ("other", other)):
        _say(console, f"{word:<6} {side.title}, {side.cell.state}")
    _differences(console, "what they train", spec_differences(one, other))
    _differences(console, "what they were trained with", origin_differences(one, other))
    if not (one.environment and other.environment):
        _say(console, "packages and machine are not recorded, or cannot be read, for both")
    _curves(console, one, other)
    _flips(console, one, other)
    return 0


def _differences(console: "Console", title: str, found: "pd.DataFrame") -> None:
    if found.empty:
        _say(console, f"\n{title}: no difference")
        return
    table = _table(console, f"{title}: {len(found)} differ", ["", "one", "other"])
    for name, line in found.iterrows():
        table.add_row(*_cells([str(name), line["one"], line["other"]]))
    print_table(console, table)


def _curves(console: "Console", one: "RecordedRun", other: "RecordedRun") -> None:
    from dashboards.compared import CURVES, curve_values, told_apart
    from dashboards.report import shown, unit
    from orchestrator.cli.sparkline import LEVELS, is_encodable, sparkline

    plain = not is_encodable(LEVELS, console.encoding)
    for name in CURVES:
        sides = [curve_values(side, name) for side in (one, other)]
        known = [value for side in sides for value in side if math.isfinite(value)]
        if not known:
            _say(console, f"\n{name}: neither recorded it")
            continue
        heads = ["", "epochs", "first", "lowest", "last", "curve"]
        table = _table(console, f"{name}{unit(name)}: {told_apart(one, other, name)}", heads)
        for word, values in zip(("one", "other"), sides, strict=True):
            finite = [value for value in values if math.isfinite(value)] or [math.nan]
            numbers = (shown(value, name) for value in (finite[0], min(finite), finite[-1]))
            drawn = sparkline(values, low=min(known), high=max(known), width=WIDTH, plain=plain)
            table.add_row(*_cells([word, str(len(values)), *numbers, drawn]))
        print_table(console, table)


def _flips(console: "Console", one: "RecordedRun", other: "RecordedRun") -> None:
    from dashboards.compared import flips_by_layer

    found = flips_by_layer(one, other)
    if found.empty:
        _say(console, "\nsign flips: neither recorded any")
        return
    title = "share of latent signs that flip in an epoch, mean over epochs, %"
    table = _table(console, title, ["layer", "one", "other"])
    for layer, line in found.iterrows():
        numbers = (_percent(float(line[side])) for side in ("one", "other"))
        table.add_row(*_cells([str(layer), *numbers]))
    print_table(console, table)


def _percent(share: float) -> str:
    return "not recorded" if math.isnan(share) else f"{100 * share:.3f}"


def _table(console: "Console", title: str, heads: Sequence[str]) -> "Table":
    """Says the title, and begins a table whose columns are all labels that may fold."""
    from rich import box
    from rich.table import Table

    _say(console, f"\n{title}")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _cells(texts: Sequence[str]) -> "list[Text]":
    """Texts as they are, whatever brackets they hold."""
    from rich.text import Text

    return [Text(text) for text in texts]


def _say(console: "Console", text: str) -> None:
    console.print(text, soft_wrap=True, highlight=False, markup=False)
