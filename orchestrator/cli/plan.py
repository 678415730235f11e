"""`bnn-orchestrate plan`: what a study or a protocol would cost; starts nothing."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.cli.options import (
    add_changes,
    add_data_dir,
    add_home,
    add_storage,
    add_verbose,
    home_of,
)
from orchestrator.cli.sweep import add_resources, sweep_options
from orchestrator.process.waiting import waiting_for

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.execution.preview import Preview, Previews
    from orchestrator.home import Home
    from orchestrator.study.spec import StudySpec
    from orchestrator.study.variant import Variant

MOST_CELLS = 2000
"""Cells of a study up to which it is also planned with other seeds and epochs."""
SCALES = (0.5, 0.1)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change to what was asked: what to type, and the previews with it."""

    text: str
    previews: "Sequence[Preview]"


Load = Callable[["Variant", Sequence[int] | None], "StudySpec"]
"""Loads a study in a variant, with other seeds or its own."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "plan",
        help="show what a study or a protocol would cost; train nothing",
        description="Shows cells, epochs, time and disk of a study, or of each stage of a "
        "network's protocol, and what changes with --concurrency, --seeds and --scale-epochs. "
        "Takes the options of `sweep`. Starts nothing, writes nothing, and needs no data.",
    )
    parser.add_argument(
        "study",
        metavar="STUDY|NETWORK",
        help="a study's name, or a path to a YAML file, or a network such as vgg5",
    )
    parser.add_argument(
        "--retry-failed", action="store_true", help="plan only the cells that failed for good"
    )
    add_changes(parser)
    add_resources(parser)
    add_storage(parser)
    add_data_dir(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the plan, and a table of what other options would change."""
    from orchestrator.cli.console import make_console
    from orchestrator.study.variant import Variant

    console, home, variant = make_console(), home_of(args), Variant.from_args(args)
    options = replace(sweep_options(args), only_failed=args.retry_failed)
    with waiting_for("the study to be checked"):
        loads = _loads(args, home)
        studies = [load(variant, args.seeds) for load in loads]

    from orchestrator.execution.preview import Previews

    previews = Previews(home, options)
    with waiting_for("MLflow to say what is recorded"):
        asked = [previews.of(study) for study in studies]
    _show(console, asked)
    with waiting_for("the alternatives to be planned"):
        changes = [_Change("as asked", asked)]
        changes += _changed(args, previews, loads, studies, variant, asked[0].slots)
    _show_changes(console, changes)
    console.print("\nnothing was started", highlight=False)
    return 0


def _loads(args: argparse.Namespace, home: "Home") -> list[Load]:
    """How to load what was named: one study, or each stage of a protocol."""
    from orchestrator.protocol.stages import STAGES, is_network, networks
    from orchestrator.study.catalog import load_variant, study_files, unknown_study

    name = args.study
    if is_network(name):
        return [_stage(name, stage, home) for stage in STAGES]
    if "/" not in name and not name.endswith((".yaml", ".yml")) and name not in study_files():
        raise unknown_study(name, networks=networks())
    return [lambda variant, seeds: load_variant(name, variant, seeds=seeds)]


def _stage(network: str, stage: str, home: "Home") -> Load:
    """Loads a stage with what earlier ones found, else with placeholders that cost as much."""
    from dashboards.runs import NoResultsError
    from orchestrator.mlflow_reader.reader import StoreError
    from orchestrator.protocol.stages import Changes, given_for, load_stage, unmeasured

    def load(variant: "Variant", seeds: Sequence[int] | None) -> "StudySpec":
        changes = Changes(variant=variant, seeds=None if seeds is None else tuple(seeds))
        try:
            given = given_for(network, stage, changes, home)
        except (NoResultsError, StoreError):
            given = unmeasured(network, changes)
        return load_stage(network, stage, changes, given or None)

    return load


def _show(console: "Console", previews: "Sequence[Preview]") -> None:
    """Prints the head of each study, and what is missing."""
    from orchestrator.cli.head import say, say_plan

    for number, one in enumerate(previews):
        if number:
            console.print()
        say_plan(
            console,
            one.plan,
            slots=one.slots if one.plan.num_todo else None,
            disk=one.disk,
            processes=one.options.resources.processes,
            expected=one.expected,
        )
    for note in dict.fromkeys(note for one in previews for note in one.notes):
        say(console, f"note      {note}")


def _changed(
    args: argparse.Namespace,
    previews: "Previews",
    loads: Sequence[Load],
    studies: "Sequence[StudySpec]",
    variant: "Variant",
    slots: int,
) -> Iterator[_Change]:
    """What other options would change; changes that the study does not allow are left out."""
    from trainers.errors import SpecError

    options = previews.options
    most = slots if options.ray_address else min(map(previews.most_slots, studies))
    for num in dict.fromkeys((max(1, slots // 2), min(most, 2 * slots))):
        if num != slots:
            resources = replace(options.resources, concurrency=num)
            other = previews.with_options(replace(options, resources=resources))
            yield _Change(f"--concurrency {num}", [other.of(study) for study in studies])
    if options.share and any(_shares(study) for study in studies):
        alone = previews.with_options(replace(options, share=False))
        yield _Change("--no-share", [alone.of(study) for study in studies])
    if max(len(study.trials) for study in studies) > MOST_CELLS:
        return
    seeds = _seeds_of(studies[-1])
    scale = float(variant.epoch_scale or 1)
    texts = [f"{factor * scale:.6g}" for factor in SCALES]
    other_seeds = [seeds[:-1], (*seeds, max(seeds) + 1)] if seeds else []
    asked = [
        (f"{len(some)} seed{'s' if len(some) > 1 else ''}", variant, some)
        for some in other_seeds
        if some
    ]
    asked += [
        (f"--scale-epochs {text}", replace(variant, epoch_scale=text), args.seeds)
        for text in texts
    ]
    for text, changed, some in asked:
        try:
            yield _Change(text, [previews.of(load(changed, some)) for load in loads])
        except SpecError:
            # So few epochs are not enough for all layers to turn binary, say.
            continue


def _shares(study: "StudySpec") -> bool:
    """Whether trials of a study begin alike."""
    from orchestrator.planning.planning import plan

    return plan(study).shares


def _seeds_of(study: "StudySpec") -> tuple[int, ...]:
    """The seeds of a study; none if it has no axis of them."""
    for axis in study.axes:
        if axis.paths == {"seed"} and not axis.searched:
            return tuple(int(str(point["seed"])) for point in axis.points.values())
    return ()


def _show_changes(console: "Console", changes: Sequence[_Change]) -> None:
    """Prints a line for each change: cells, those to train, epochs, time, GPU-hours, disk."""
    from rich.table import Table

    from orchestrator.cli.head import hours
    from orchestrator.cli.tables import print_table
    from orchestrator.free_space import size_text
    from orchestrator.planning.cost import duration

    has_gpus = any(one.expected.gpus for one in changes[0].previews)
    table = Table(box=None, pad_edge=False)
    table.add_column("with", overflow="fold")
    heads = ["cells", "to train", "epochs", "about", *(["GPU-hours"] if has_gpus else []), "disk"]
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for change in changes:
        some = change.previews
        is_known = all(one.expected.is_known for one in some)
        left = [one for one in some if one.plan.num_todo]
        seconds = sum(one.expected.seconds for one in left)
        gpu_hours = sum(one.expected.gpu_hours for one in left)
        row = [
            f"{sum(one.plan.num_cells for one in some):,}",
            f"{sum(one.plan.num_todo for one in some):,}",
            f"{sum(one.plan.epochs_todo for one in some):,}",
            duration(seconds) if is_known else "?",
            *([hours(gpu_hours) if is_known else "?"] if has_gpus else []),
            size_text(sum(one.bytes for one in left)) if left else "-",
        ]
        table.add_row(change.text, *row)
    console.print()
    print_table(console, table)
