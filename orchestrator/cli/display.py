"""Shows a sweep to the user: a live display in a terminal, a few lines elsewhere."""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.head import NOTHING_LEFT, say_cells, say_plan, say_study
from orchestrator.execution.progress import Progress
from orchestrator.planning.cost import duration
from orchestrator.process.waiting import SAID_AFTER_S

if TYPE_CHECKING:
    from orchestrator.execution.outcome import SweepWatcher
    from orchestrator.planning.outlook import Expected
    from orchestrator.planning.planning import Plan
    from orchestrator.results.settled import Outline

log = logging.getLogger(__name__)

LINE_EVERY_S = 30.0
DRAW_EVERY_S = 0.25
MOST_ROWS = 12
MEASURED_AFTER_S = 3.0


def sweep_display(console: Console) -> "SweepWatcher":
    """A display that can never end the sweep that it shows."""
    return cast("SweepWatcher", _Unfailing(SweepDisplay(console)))


class _Unfailing:
    """A display that is told nothing more once it has failed, whatever the reason."""

    def __init__(self, display: "SweepDisplay") -> None:
        self._display = display
        self._has_failed = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        method = getattr(self._display, name)

        def told(*arguments: object, **more: object) -> None:
            if self._has_failed:
                return
            try:
                method(*arguments, **more)
            except Exception as error:
                self._has_failed = True
                log.error("the display failed, and the sweep goes on without it: %r", error)
                with contextlib.suppress(Exception):
                    self._display.stopped()

        return told


class SweepDisplay:
    """Watches a sweep and prints its progress.

    Args:
        console: The console to print to.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live: Live | None = None
        self.progress: Progress | None = None
        self.began_at = self.drawn_at = 0.0
        self.said_expected = self.said_wait = False
        self.waiting: str | None = None
        self.others: str | None = None

    def planned(
        self,
        plan: "Plan",
        *,
        slots: int | None,
        disk: str = "",
        processes: int = 1,
        expected: "Expected | None" = None,
    ) -> None:
        """Prints the plan."""
        say_plan(
            self.console, plan, slots=slots, disk=disk, processes=processes, expected=expected
        )

    def settled(self, outline: "Outline") -> None:
        """Prints that nothing is left to do."""
        say_study(self.console, outline.name, outline.question, outline.changes)
        say_cells(self.console, len(outline.cells), len(outline.cells))
        self.say(NOTHING_LEFT)

    def began(self, progress: Progress) -> None:
        """Starts the live display if the console is a terminal that can be drawn on."""
        self.progress = progress
        self.began_at = self.drawn_at = time.monotonic()
        if self.console.is_interactive:
            self.live = Live(self._picture(), console=self.console, auto_refresh=False)
            self.live.start()
            # It would stay hidden in the shell, after Ctrl-Z or SIGKILL.
            self.console.show_cursor(True)

    def tick(self, *, waiting: str | None) -> None:
        """Updates the display if it is time."""
        if waiting and not self.waiting:
            self.say(f"MLflow does not take results; they wait in the journal ({waiting[:100]})")
        elif self.waiting and not waiting:
            self.say("MLflow takes results again")
        self.waiting = waiting
        now = time.monotonic()
        if self.live is not None:
            if now - self.drawn_at >= DRAW_EVERY_S:
                self.drawn_at = now
                self.live.update(self._picture(), refresh=True)
        elif not self.said_wait and self._waits_for_an_epoch(now):
            self.said_wait = True
            self.say("waiting for the first epoch of a cell")
        elif not self.said_expected and self._is_measured(now):
            self.said_expected = True
            self.say(f"expected  {self._line()}")
        elif now - self.drawn_at >= LINE_EVERY_S:
            self.drawn_at = now
            self.say(self._line())

    def cell_noted(self, name: str, *, note: str) -> None:
        """Prints one line for a problem that did not stop the cell."""
        self.say(f"{name}: {note}")

    def cell_ended(self, name: str, *, objective: float, reason: str | None) -> None:
        """Prints one line for each cell that has failed or finished."""
        assert self.progress is not None
        number = self.progress.num_finished + self.progress.num_failed
        place = f"{number:>{len(str(self.progress.num_cells))}}/{self.progress.num_cells}"
        if reason is not None:
            self.say(f"{place}  failed  {name}: {reason}", style="red")
        elif self.live is None:
            self.say(f"{place}  {name}: validation error {objective:.2%}")

    def cell_retried(self, name: str, *, reason: str) -> None:
        """Prints one line for each cell that is retried."""
        self.say(f"{name} failed and is retried: {reason}")

    def silent(self, reason: str, *, journal: Path) -> None:
        """Says that MLflow does not answer, and where the results are kept."""
        self.waiting = reason
        self.say(f"MLflow    does not answer: {reason}")
        self.say(f"          training continues; results wait in {journal} until it does")

    def elsewhere(self, num_cells: int, holders: str) -> None:
        """Says who trains the remaining cells; repeats only if that changes."""
        cells = "1 cell" if num_cells == 1 else f"{num_cells} cells"
        others = f"waiting for {cells} that others train ({holders or 'unknown process'})"
        if others != self.others:
            self.say(others)
        self.others = others

    def stopping(self) -> None:
        """Says what the first and a second Ctrl-C do."""
        self.say("stopping at the end of the epoch; Ctrl-C again stops at once")

    def stopped(self) -> None:
        """Ends the live display."""
        if self.live is not None:
            self.live.update(self._picture(), refresh=True)
            self.live.stop()
            self.live = None

    def say(self, text: str, *, style: str | None = None) -> None:
        """Prints a line, above the live display if there is one; brackets are not markup."""
        self.console.print(Text(text, style or ""), soft_wrap=True)

    def _waits_for_an_epoch(self, now: float) -> bool:
        assert self.progress is not None
        return now - self.began_at > SAID_AFTER_S and self.progress.remaining_s is None

    def _is_measured(self, now: float) -> bool:
        assert self.progress is not None
        return now - self.began_at > MEASURED_AFTER_S and self.progress.remaining_s is not None

    def _line(self) -> str:
        """The whole state in one line."""
        progress = self.progress
        assert progress is not None
        parts = [
            f"{progress.num_finished}/{progress.num_cells} cells finished",
            f"{len(progress.running)} running",
        ]
        if progress.num_failed:
            parts.append(f"{progress.num_failed} failed")
        if progress.num_elsewhere:
            parts.append(f"{progress.num_elsewhere} trained by others")
        if progress.num_retries:
            parts.append(f"{progress.num_retries} retried")
        if progress.epochs_per_s is not None and progress.remaining_s is not None:
            parts.append(f"{progress.epochs_per_s:.3g} epochs/s")
            parts.append(f"{duration(progress.remaining_s)} left")
        if progress.best is not None:
            parts.append(f"best validation error {progress.best[0]:.2%} ({progress.best[1]})")
        return " · ".join(parts)

    def _picture(self) -> Group:
        progress = self.progress
        assert progress is not None
        bar = Table.grid(padding=(0, 1))
        total = max(1, progress.epochs)
        share = f"{progress.epochs_done / total:4.0%}"
        bar.add_row(ProgressBar(total, progress.epochs_done, width=40), share)
        rows = Table.grid(padding=(0, 2))
        for cell in list(progress.running.values())[:MOST_ROWS]:
            error = "" if cell.objective != cell.objective else f"{cell.objective:.2%}"
            rows.add_row(Text(f"  {cell.name}"), f"{cell.done}/{cell.epochs}", Text(error, "dim"))
        more = len(progress.running) - MOST_ROWS
        if more > 0:
            rows.add_row(f"  and {more} more")
        return Group(Text(self._line()), bar, rows)
