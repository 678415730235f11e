"""Shows a sweep to the user: a live display in a terminal, a few lines elsewhere."""

import contextlib
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from orchestrator.cli.head import NOTHING_LEFT, say_cells, say_plan, say_study
from orchestrator.cli.picture import (
    Failed,
    Overall,
    glyphs_for,
    head_parts,
    pace_parts,
    picture,
)
from orchestrator.cli.rows import Rows
from orchestrator.execution.progress import Progress
from orchestrator.launch.head import HINT
from orchestrator.process.waiting import SAID_AFTER_S

if TYPE_CHECKING:
    from orchestrator.execution.outcome import SweepWatcher
    from orchestrator.planning.outlook import Expected
    from orchestrator.planning.planning import Plan
    from orchestrator.record.board import Board
    from orchestrator.results.settled import Outline

log = logging.getLogger(__name__)

LINE_EVERY_S = 60.0
FEW_CELLS = 10
"""Of so many cells each is a tenth of the sweep, and has a line when it is finished."""
LEAST_S = 1.0
"""Seconds between two lines at the least: a short sweep passes many tenths at once."""
DRAW_EVERY_S = 0.25
SHARE_OF_TIME = 0.02
"""Most of the main thread's time that drawing takes."""
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
        self.board: Board | None = None
        self.rows, self.seen = Rows("", ""), -1
        self.title, self.num_cells = "", 0
        self.failures: list[Failed] = []
        self.drawn: list[Text] = []
        self.began_at = self.drawn_at = self.said_share = 0.0
        self.pause_s = DRAW_EVERY_S
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
        study = plan.study
        self.rows, self.seen = Rows(study.matrix.rows, study.matrix.over or ""), -1
        self.title, self.num_cells, self.failures = study.name, plan.num_cells, []
        say_plan(
            self.console, plan, slots=slots, disk=disk, processes=processes, expected=expected
        )

    def settled(self, outline: "Outline") -> None:
        """Prints that nothing is left to do."""
        say_study(self.console, outline.name, outline.question, outline.changes)
        say_cells(self.console, len(outline.cells), len(outline.cells))
        self.say(NOTHING_LEFT)

    def began(self, progress: Progress, board: "Board") -> None:
        """Starts the live display if the console is a terminal that can be drawn on."""
        self.progress, self.board = progress, board
        self.began_at = self.drawn_at = time.monotonic()
        self._look()
        self.said_share = self._share()
        if self.console.is_interactive:
            self.live = Live(self._picture(), console=self.console, auto_refresh=False)
            self.live.start(refresh=True)
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
            if now - self.drawn_at >= self.pause_s:
                self._draw(now)
        elif not self.said_wait and self._waits_for_an_epoch(now):
            self.said_wait = True
            self.say("waiting for the first epoch of a cell")
        elif self._is_time_for_a_line(now):
            self._say_progress(now)

    def _draw(self, now: float) -> None:
        """Draws the picture anew; the longer that takes, the later it is done again."""
        assert self.live is not None
        self.drawn_at, began = now, time.thread_time()
        self._look()
        follow_width(self.live, self.drawn, self.console.width)
        self.live.update(self._picture(), refresh=True)
        self.pause_s = max(DRAW_EVERY_S, (time.thread_time() - began) / SHARE_OF_TIME)

    def _is_time_for_a_line(self, now: float) -> bool:
        """Whether the first epochs are measured, a minute is over, or a tenth is done."""
        if not self.said_expected and self._is_measured(now):
            self.said_expected = True
            return True
        if now - self.drawn_at >= LINE_EVERY_S:
            return True
        return now - self.drawn_at >= LEAST_S and self._is_tenth()

    def _is_tenth(self) -> bool:
        """Whether another tenth is done since the last line."""
        return math.floor(10 * self._share()) > math.floor(10 * self.said_share)

    def cell_noted(self, name: str, *, note: str) -> None:
        """Prints one line for a problem that did not stop the cell."""
        self.say(f"{name}: {note}")

    def cell_ended(
        self, name: str, *, objective: float, reason: str | None, log: Path | None = None
    ) -> None:
        """Prints a line for a cell that has failed, and for one that is a tenth of the sweep."""
        assert self.progress is not None
        if reason is None:
            is_few = self.progress.num_cells <= FEW_CELLS
            if self.live is None and (is_few or self._is_tenth()):
                self._say_progress(time.monotonic())
            return
        self.failures.append(Failed(name=name, reason=reason, log=_from_here(log)))
        if self.live is None:
            self._say_line(f"failed: {name}: {reason}" + (f" (log: {log})" if log else ""))

    def cell_retried(self, name: str, *, reason: str) -> None:
        """Prints one line for each cell that is retried."""
        self.say(f"{name} failed and is retried: {reason}")

    def silent(self, reason: str, *, journal: Path) -> None:
        """Says that MLflow does not answer, and where the results are kept."""
        self.waiting = reason
        self.say(f"MLflow    does not answer: {reason}")
        self.say(f"          training continues; results wait in {journal} until it does")

    def lost(self, reason: str) -> None:
        """Says why the sweep ends, and what to do."""
        self.say(f"stopped: {reason}\n{HINT}")

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
            self._draw(time.monotonic())
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

    def _say_progress(self, now: float) -> None:
        """Prints how far the sweep is."""
        self._look()
        self.said_share, self.drawn_at = self._share(), now
        self._say_line(self._line())

    def _say_line(self, text: str) -> None:
        """Prints a line with the time and the study, for a file that is read later."""
        self.say(f"{datetime.now():%H:%M:%S} {self.title} {text}")

    def _line(self) -> str:
        """The whole state in one line."""
        overall = self._overall()
        parts = [*head_parts(self.rows, overall), *overall.more, *pace_parts(overall)]
        assert self.progress is not None
        if self.progress.best is not None:
            error, name = self.progress.best
            parts.append(f"lowest validation error {error:.2%} ({name})")
        return ", ".join(parts)

    def _look(self) -> None:
        """Takes over from the board what has changed."""
        assert self.board is not None
        revision = self.board.revision
        self.rows.update(self.board.changed(self.seen))
        self.seen = revision

    def _share(self) -> float:
        """How much of what this sweep trains is done, in [0, 1]."""
        progress = self.progress
        assert progress is not None
        return min(1.0, progress.epochs_done / max(1, progress.epochs))

    def _overall(self) -> Overall:
        progress = self.progress
        assert progress is not None
        assert self.board is not None
        told = {"retried": progress.num_retries, "trained by others": progress.num_elsewhere}
        more = [f"{num:,} {what}" for what, num in told.items() if num]
        if self.waiting and (num := self.board.num_waiting):
            more.append(f"{num:,} {'waits' if num == 1 else 'wait'} for MLflow")
        return Overall(
            title=self.title,
            num_cells=max(self.num_cells, self.rows.num_cells),
            share=self._share(),
            rate=progress.epochs_per_s,
            left_s=progress.remaining_s,
            more=more,
            failures=self.failures,
        )

    def _picture(self) -> Group:
        width, height = self.console.size
        glyphs = glyphs_for(self.console.encoding, os.environ)
        overall = self._overall()
        self.drawn = picture(self.rows, overall, width=width, height=height, glyphs=glyphs)
        return Group(*self.drawn)


def follow_width(live: Live, lines: Sequence[Text], width: int) -> None:
    """Tells a live display in how many lines the terminal shows what was drawn last.

    A terminal that became narrower has wrapped the lines; without this, some would stay.

    Args:
        live: The display.
        lines: What it has drawn.
        width: Columns of the terminal now.
    """
    drawn = live._live_render
    shape = getattr(drawn, "_shape", None)
    if shape and shape[0] > width:
        drawn._shape = width, sum(max(1, -(-line.cell_len // width)) for line in lines)


def _from_here(path: Path | None) -> str:
    """A path as one types it in this folder; empty without one."""
    if path is None:
        return ""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
