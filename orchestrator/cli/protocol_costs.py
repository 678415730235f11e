"""The costs of a protocol: `bnn-orchestrate protocol NETWORK --dry-run`."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from orchestrator.cli.tables import print_table
from orchestrator.free_space import size_text
from orchestrator.planning.cost import duration, rough_seconds
from orchestrator.planning.disk import need
from orchestrator.planning.planning import plan
from orchestrator.protocol.stages import SENSITIVITY, Changes, load_stage, unmeasured

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec


def show_costs(
    names: Sequence[str], stages: Sequence[str], changes: Changes, console: Console
) -> None:
    """Prints the cells, epochs, rough time and disk space of every stage; trains nothing.

    Args:
        names: The networks.
        stages: Some of `orchestrator.protocol.stages.STAGES`.
        changes: How the stages differ from their files; with an epoch scale, the table also shows
            the costs without it.
        console: The console to print to.
    """
    cores = os.cpu_count() or 1
    table = Table(box=None, pad_edge=False)
    heads = ["cells", "epochs", f"rough time, {cores} cores"]
    if changes.variant.epoch_scale:
        heads += ["epochs unscaled", "rough time unscaled"]
    heads.append("disk")
    table.add_column("stage", overflow="fold")
    for head in heads:
        table.add_column(head, justify="right")
    totals = [0.0] * len(heads)
    for name in names:
        for stage in stages:
            figures = _figures(name, stage, changes, cores)
            table.add_row(f"{name}-{stage}", *_texts(figures))
            totals = [total + figure for total, figure in zip(totals, figures, strict=True)]
    table.add_row("together", *_texts(totals), style="bold")
    print_table(console, table)
    console.print("\nnothing was trained", highlight=False)


def _figures(name: str, stage: str, changes: Changes, cores: int) -> list[float]:
    """Cells, epochs, seconds; with an epoch scale also those without it; bytes of disk."""
    given = None if stage == SENSITIVITY else unmeasured(name, changes)
    study = load_stage(name, stage, changes, given)
    figures = [float(plan(study).num_cells), *_cost(study, cores)]
    if changes.variant.epoch_scale:
        figures += _cost(replace(study, variant=replace(study.variant, epoch_scale="")), cores)
    wanted = need(plan(study), is_embedded=True)
    return [*figures, float(wanted.checkpoints + wanted.home)]


def _cost(study: "StudySpec", cores: int) -> list[float]:
    trials, epochs = study.trials, plan(study).epochs
    alone = sum(trial.train.all_epochs for trial in trials)
    return [float(epochs), rough_seconds(trials, num_cores=cores) * epochs / alone]


def _texts(figures: Sequence[float]) -> list[str]:
    """The figures as text: counts, with seconds in the places 2 and 4, and bytes at the end."""
    *counts, disk = figures
    is_time = [place in (2, 4) for place in range(len(counts))]
    pairs = zip(counts, is_time, strict=True)
    texts = [duration(figure) if timed else f"{figure:,.0f}" for figure, timed in pairs]
    return [*texts, size_text(disk)]
