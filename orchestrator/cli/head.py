"""What a study comes to, in a few lines: the head of `sweep`, and of `plan`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from orchestrator.planning.cost import duration

if TYPE_CHECKING:
    from orchestrator.planning.outlook import Expected
    from orchestrator.planning.planning import Plan

NOTHING_LEFT = "nothing left to do"
LATER = "known once the first epochs are measured"


def say_study(console: Console, name: str, question: str, changes: Sequence[str]) -> None:
    """Prints the study's name and question, and how it differs from its file."""
    console.print(Text.assemble((name, "bold"), f"  {question}"), soft_wrap=True)
    if changes:
        say(console, f"changed   {'; '.join(changes)}")


def say_plan(
    console: Console,
    plan: "Plan",
    *,
    slots: int | None,
    disk: str = "",
    processes: int = 1,
    expected: "Expected | None" = None,
) -> None:
    """Prints what there is, what is left, and what that costs.

    Args:
        console: The console to print to.
        plan: The plan.
        slots: Trials at once; None: nothing will be trained.
        disk: What will be written.
        processes: Processes that train a trial together.
        expected: How long it will take; None: not known.
    """
    study = plan.study
    say_study(console, study.name, study.question, study.variant.told())
    finished = plan.num_cells - (plan.num_todo if plan.num_samples else num_open(plan))
    say_cells(console, plan.num_cells, finished)
    if plan.only is not None:
        what = "of them, which are retried; no others are trained"
        say(console, f"failed    {plan.num_todo} {what}")
    if slots is None:
        say(console, NOTHING_LEFT if plan.only is None else "nothing to retry")
        return
    say(console, f"epochs    {plan.epochs_todo:,} to train")
    if plan.shares:
        say(console, f"shared    {plan.amount_todo}")
    each = f", each trained by {processes} processes" if processes > 1 else ""
    say(console, f"slots     {slots} at a time{each}")
    for line in _time(expected, at_most=plan.num_samples > 0):
        say(console, line)
    if disk:
        say(console, f"disk      {disk}")


def _time(expected: "Expected | None", *, at_most: bool) -> Iterator[str]:
    """The lines on time, and on hours of GPUs."""
    if expected is None or not expected.is_known:
        yield f"time      {LATER}"
        return
    about = "at most about" if at_most else "about"
    yield f"time      {about} {duration(expected.seconds)}, {expected.basis}"
    if expected.gpus:
        yield f"GPUs      {about} {hours(expected.gpu_hours)} GPU-hours"


def say_cells(console: Console, num_cells: int, finished: int) -> None:
    """Prints how many cells there are, and how many are finished."""
    say(console, f"cells     {num_cells}, {finished} of them finished")


def num_open(plan: "Plan") -> int:
    """Number of cells whose trials are not finished."""
    return sum(cell.id not in plan.finished for cell in plan.cells)


def hours(number: float) -> str:
    """Hours with as many digits as one reads."""
    return f"{number:.2g}" if number < 10 else f"{number:,.0f}"


def say(console: Console, text: str, *, style: str | None = None) -> None:
    """Prints a line; brackets are not markup."""
    console.print(Text(text, style or ""), soft_wrap=True)
