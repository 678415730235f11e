"""`bnn-orchestrate status`: shows how far a sweep is, from any machine, from MLflow alone."""

import argparse
import os
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator import vocabulary
from orchestrator.cli.options import add_home, add_study, add_verbose, home_of, named_or_changed
from orchestrator.errors import OrchestratorError
from orchestrator.vocabulary import State

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from orchestrator.cli.picture import Overall
    from orchestrator.cli.rows import Rows
    from orchestrator.home import Home
    from orchestrator.mlflow_reader.cells import RecordedVariant
    from orchestrator.mlflow_reader.followed import Followed
    from orchestrator.mlflow_reader.overview import CellNow
    from orchestrator.mlflow_reader.reader import Reader
    from orchestrator.study.spec import StudySpec

EVERY_S = 2.0
LINE_EVERY_S = 60.0


class NoSweepError(OrchestratorError):
    """The store has no sweep of the study."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("status", help="show how far a sweep is, from any machine")
    add_study(parser, shows=True)
    parser.add_argument(
        "--follow", action="store_true", help="draw it again every 2 s, until the sweep ends"
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the picture, or follows the sweep until it ends."""
    from orchestrator.cli.console import make_console
    from orchestrator.mlflow_reader.followed import Followed
    from orchestrator.mlflow_reader.reader import Reader, told

    home, study = home_of(args), named_or_changed(args)
    if home.database is not None and not home.database.exists():
        name = study if isinstance(study, str) else study.name
        what = f"no sweep of the study '{name}' is recorded in {home.shown_uri}"
        raise NoSweepError(f"{what}: there is no such file; run a sweep first")
    with told(home.tracking_uri):
        reader = Reader(home.tracking_uri)
        variant = _variant(reader, home, study)
        view = _View(Followed(reader, variant), home, make_console())
        view.look()
    if args.follow and view.followed.state == State.RUNNING:
        view.follow()
    else:
        view.show()
    return 0


def _variant(reader: "Reader", home: "Home", study: "StudySpec | str") -> "RecordedVariant":
    """The recorded variant that is asked for; of a name alone, else the newest.

    Raises:
        NoSweepError: Naming what is recorded.
    """
    from orchestrator.mlflow_reader.reader import instead_of

    name = study if isinstance(study, str) else study.name
    experiment = reader.find_study(name)
    what = f"no sweep of the study '{name}' is recorded in {home.shown_uri}"
    if experiment is None:
        raise NoSweepError(what).with_hint(instead_of(name, reader.study_names()))
    if experiment.lifecycle_stage == "deleted":
        raise NoSweepError(f"{what}: its experiment was deleted in MLflow; restore it there")
    variants = reader.variants([experiment.experiment_id])
    if isinstance(study, str):
        asked = [one for one in variants if one.is_plain] or variants
    else:
        asked = [one for one in variants if one.id == study.variant_id]
        if study.is_plain:
            asked = asked or variants
    if not asked:
        known = ", ".join(f"'{one.title}'" for one in variants) or "none"
        raise NoSweepError(f"{what} in this variant; recorded: {known}")
    return asked[-1]


class _View:
    """What is shown of a sweep."""

    def __init__(self, followed: "Followed", home: "Home", console: "Console") -> None:
        from orchestrator.cli.rows import Rows

        self.followed, self.home, self.console = followed, home, console
        tags = followed.variant.tags
        self.rows: Rows = Rows(
            tags.get(vocabulary.ROWS_AXIS, ""), tags.get(vocabulary.OVER_AXIS, "")
        )
        self.silence = ""

    def look(self) -> None:
        """Reads what is new."""
        self.rows.update(self.followed.look())

    def lines(self, *, cuts: bool = True) -> "list[Text]":
        """The picture, and below it how old it is, and what to do.

        Args:
            cuts: Cut the lines below it, too, so that they can be drawn over.
        """
        from rich.text import Text

        from orchestrator.cli.picture import cut, glyphs_for, picture

        width, height = self.console.size
        glyphs = glyphs_for(self.console.encoding, os.environ)
        if not self.console.is_terminal:
            height = len(self.rows) + 10
        is_on = self.followed.state == State.RUNNING
        why_dead = self._why_dead() if is_on else ""
        notes = self.notes(why_dead)
        if cuts:
            notes = [cut(note, width, glyphs.cut) for note in notes]
        drawn = picture(
            self.rows,
            overall_of(self.followed, self.rows, is_on=is_on and not why_dead),
            width=width,
            height=max(1, height - len(notes) - 1),
            glyphs=glyphs,
        )
        return [*drawn, *(Text(note, "dim", no_wrap=True) for note in notes)]

    def notes(self, why_dead: str) -> list[str]:
        """How old the picture is, whether the sweep goes on, and what to type else."""
        at = datetime.fromtimestamp(self.followed.written / 1000)
        age = max(0.0, time.time() - self.followed.written / 1000)
        told = [f"as of {at:%Y-%m-%d %H:%M:%S},{_ago(age) or ' now'}; what ended since is counted"]
        if self.silence:
            told.append(f"MLflow does not answer: {self.silence}")
        if why_dead:
            told += [f"the sweep looks dead: {why_dead}", "the same sweep command resumes it"]
        return told

    def _why_dead(self) -> str:
        """Why nobody seems to sweep the study any more; empty: it goes on, or nobody can tell."""
        if self.followed.is_marked_dead():
            name, left = max(self.followed.holders(), key=lambda holder: holder[1])
            return f"{name} has not renewed its mark, which expired{_ago(-left)}"
        if self.home.owns_store and self.home.journal.exists():
            from orchestrator.record.holders import might_live

            if not might_live(self.home.journal):
                return f"no process uses {self.home.journal}"
        return ""

    def show(self) -> None:
        """Prints it once."""
        for line in self.lines(cuts=False):
            self.console.print(line, soft_wrap=True)

    def follow(self) -> None:
        """Draws it until the sweep ends; elsewhere than in a terminal a line now and then."""
        if self.console.is_interactive:
            self._redraw()
        else:
            self._print_lines()

    def _redraw(self) -> None:
        from rich.console import Group
        from rich.live import Live

        from orchestrator.cli.display import follow_width

        drawn = self.lines()
        with Live(Group(*drawn), console=self.console, auto_refresh=False) as live:
            live.refresh()
            # It would stay hidden in the shell, after Ctrl-Z or SIGKILL.
            self.console.show_cursor(True)
            while self.followed.state == State.RUNNING:
                self._wait()
                follow_width(live, drawn, self.console.width)
                drawn = self.lines()
                live.update(Group(*drawn), refresh=True)

    def _print_lines(self) -> None:
        from orchestrator.cli.picture import head_parts, pace_parts

        said, said_at = "", -LINE_EVERY_S
        while True:
            is_over = self.followed.state != State.RUNNING
            why_dead = "" if is_over else self._why_dead()
            overall = overall_of(self.followed, self.rows, is_on=not is_over and not why_dead)
            parts = [*head_parts(self.rows, overall), *pace_parts(overall)]
            line = ", ".join([*parts, *([f"looks dead: {why_dead}"] if why_dead else [])])
            if is_over or (line != said and time.monotonic() - said_at >= LINE_EVERY_S):
                said, said_at = line, time.monotonic()
                text = f"{datetime.now():%H:%M:%S} {overall.title} {line}"
                self.console.print(text, soft_wrap=True, markup=False, highlight=False)
            if is_over:
                return
            self._wait()

    def _wait(self) -> None:
        """Waits, and reads what is new; what was read last stays while MLflow does not answer."""
        from orchestrator.mlflow_reader.outages import may_answer_later, reason

        time.sleep(EVERY_S)
        try:
            self.look()
            self.silence = ""
        except Exception as error:
            if not may_answer_later(error):
                raise
            self.silence = reason(error)


def overall_of(followed: "Followed", rows: "Rows", *, is_on: bool) -> "Overall":
    """The sweep as a whole.

    Args:
        followed: The cells.
        rows: The same as rows of the matrix.
        is_on: Whether the sweep goes on; else what runs was left behind.
    """
    from orchestrator.cli.picture import Failed, Overall
    from orchestrator.labels import name_of

    rate = epochs_per_s(followed.cells, followed.written) if is_on else None
    left = max(0, rows.epochs - rows.epochs_done)
    failed = [cell for cell in followed.cells if cell.state == State.FAILED]
    # Nobody waits for the epochs of failed cells, but they are not done either.
    trained = rows.epochs_done - sum(cell.epochs for cell in failed)
    return Overall(
        title=followed.variant.title or followed.variant.tags.get(vocabulary.STUDY, ""),
        num_cells=rows.num_cells,
        share=trained / max(1, rows.epochs),
        rate=rate,
        left_s=left / rate if rate else None,
        is_on=is_on,
        more=(State.INTERRUPTED,) if followed.state == State.INTERRUPTED else (),
        failures=[
            Failed(
                name=name_of(cell.labels),
                reason=cell.reason or "unknown reason",
                log=f"{vocabulary.FAILURE_ARTIFACT} of run {cell.run_id}",
            )
            for cell in sorted(failed, key=lambda cell: cell.ended or 0)
        ],
    )


def epochs_per_s(cells: "Sequence[CellNow]", now_ms: int) -> float | None:
    """Epochs a second of all cells together, since the oldest running one started.

    Args:
        cells: The cells.
        now_ms: When their numbers of epochs were true, Unix time in milliseconds.
    """
    running = [cell for cell in cells if cell.state == State.RUNNING and cell.started]
    since = min((cell.started or 0 for cell in running), default=0)
    if not since or now_ms <= since:
        return None
    epochs = float(sum(cell.epoch for cell in running))
    for cell in cells:
        if cell.state == State.FINISHED and cell.started and cell.ended and cell.ended > since:
            # Only the part after the oldest running one started counts.
            share = (cell.ended - max(cell.started, since)) / max(1, cell.ended - cell.started)
            epochs += share * cell.epochs
    return epochs / (now_ms - since) * 1000 if epochs else None


def _ago(seconds: float) -> str:
    from orchestrator.planning.cost import duration

    return f" {duration(seconds)} ago" if seconds >= 1 else ""
