"""Draws a sweep as lines of text that fit a terminal: progress, a line a row, what went wrong."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from orchestrator.cli.rows import Row, Rows
from orchestrator.cli.sparkline import LEVELS, PLAIN_LEVELS, is_encodable
from orchestrator.mlflow_reader.overview import WAITING
from orchestrator.planning.cost import duration
from orchestrator.vocabulary import State

WIDE: Final = 100
"""Columns from which on more is told, and curves are longer."""
CURVE_WIDTHS: Final = (24, 44)
LEAST_CURVE: Final = 8
LEAST_NAME: Final = 6
MOST_DOTS: Final = 10
"""Cells of a row that are drawn one by one."""
BESIDES: Final = 6
"""Lines that are kept free for all that is no row."""
MOST_FAILURES: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Glyphs:
    """The letters of a picture.

    Args:
        dots: State of a cell to its letter.
        levels: Of a curve, from low to high.
        mark: Where a layer turns binary.
        bar: Done, and open.
        joint: Between parts of a line.
        spread: Between a mean and its standard deviation.
        cut: At the end of what is cut.
    """

    dots: Mapping[str, str]
    levels: str
    mark: str
    bar: tuple[str, str]
    joint: str
    spread: str
    cut: str


def _dots(finished: str, running: str, failed: str, open_: str) -> dict[str, str]:
    return {
        State.FINISHED: finished,
        State.RUNNING: running,
        State.FAILED: failed,
        State.INTERRUPTED: open_,
        WAITING: open_,
    }


FULL: Final = Glyphs(
    dots=_dots("●", "◐", "✗", "·"),
    levels=LEVELS,
    mark="╎",
    bar=("━", "╌"),
    joint=" · ",
    spread=" ± ",
    cut="…",
)
ASCII: Final = Glyphs(
    dots=_dots("#", "~", "x", "."),
    levels=PLAIN_LEVELS,
    mark="|",
    bar=("=", "-"),
    joint=", ",
    spread=" +- ",
    cut="...",
)


def glyphs_for(encoding: str, environment: Mapping[str, str]) -> Glyphs:
    """The letters that a terminal can show.

    Args:
        encoding: Of its output.
        environment: With TERM and NO_COLOR.
    """
    is_plain = environment.get("TERM", "").lower() == "dumb" or environment.get("NO_COLOR")
    letters = "".join((*FULL.dots.values(), FULL.levels, FULL.mark, *FULL.bar, FULL.cut))
    return FULL if is_encodable(letters, encoding) and not is_plain else ASCII


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """A cell that failed; `log` names what to read, and may be empty."""

    name: str
    reason: str
    log: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overall:
    """What a picture says of a sweep as a whole.

    Args:
        title: The study.
        num_cells: All cells; of a search, as many as it will have.
        share: How much of the epochs is done, in [0, 1].
        rate: Epochs a second; None: unknown.
        left_s: Seconds until the end; None: unknown.
        more: Further facts, such as what waits for delivery.
        failures: Of cells, oldest first.
        is_on: Whether anybody trains the cells that are recorded as running.
    """

    title: str
    num_cells: int
    share: float
    rate: float | None = None
    left_s: float | None = None
    more: Sequence[str] = ()
    failures: Sequence[Failed] = ()
    is_on: bool = True


def head_parts(rows: Rows, overall: Overall) -> list[str]:
    """How many cells are in which state, and how fast it goes; the most important first."""
    parts = [f"{rows.counts[State.FINISHED]:,}/{overall.num_cells:,} cells finished"]
    running = State.RUNNING if overall.is_on else "stopped half-way"
    for state, word in ((State.RUNNING, running), (State.FAILED, State.FAILED)):
        if num := rows.counts[state]:
            parts.append(f"{num:,} {word}")
    return parts


def pace_parts(overall: Overall) -> list[str]:
    """How fast a sweep goes on, and how long it will."""
    rate = [] if overall.rate is None else [f"{overall.rate:.3g} epochs/s"]
    return rate + ([] if overall.left_s is None else [f"{duration(overall.left_s)} left"])


def picture(
    rows: Rows, overall: Overall, *, width: int, height: int, glyphs: Glyphs
) -> list[Text]:
    """The lines of a picture; none is longer than the terminal is wide.

    Args:
        rows: The matrix as it is.
        overall: The sweep as a whole.
        width: Columns of the terminal.
        height: Its lines; at most so many are drawn.
        glyphs: From `glyphs_for`.
    """
    pen = _Pen(width, glyphs)
    is_wide = width >= WIDE
    told = [*head_parts(rows, overall), *overall.more]
    pace = pace_parts(overall) if is_wide else []
    heads = [f"{overall.title}   {glyphs.joint.join(told + pace[n:])}" for n in (0, 1)]
    head = heads[cell_len(heads[0]) > width]
    pen.add(head, bold=len(overall.title))
    behind = f"{math.floor(overall.share * 100):4d}%"
    if not is_wide and overall.left_s is not None:
        behind += f"  {duration(overall.left_s)}"
    pen.bar(overall.share, behind)
    shown, hidden = _chosen(rows, max(1, height - BESIDES))
    _draw_rows(pen, rows, shown)
    if hidden:
        pen.add(_more(hidden), style="dim")
    room = min(MOST_FAILURES, height - len(pen.lines))
    for failed in list(overall.failures)[-room:] if room > 0 else []:
        log = f"   (log: {failed.log})" if failed.log and is_wide else ""
        pen.add(f"failed: {failed.name}: {failed.reason}{log}", style="red")
    return pen.lines[:height]


class _Pen:
    """Collects lines, each cut to the width."""

    def __init__(self, width: int, glyphs: Glyphs) -> None:
        self.width, self.glyphs = width, glyphs
        self.lines: list[Text] = []

    def add(self, text: str, *, style: str = "", bold: int = 0) -> None:
        line = Text(cut(text, self.width, self.glyphs.cut), style, no_wrap=True)
        if bold:
            line.stylize("bold", 0, bold)
        self.lines.append(line)

    def bar(self, share: float, behind: str) -> None:
        size = max(1, self.width - cell_len(behind))
        done = min(size, math.floor(share * size))
        full, empty = self.glyphs.bar
        self.add(f"{full * done}{empty * (size - done)}{behind}")


def cut(text: str, width: int, mark: str) -> str:
    """A text in one line of at most so many columns, with a mark where the rest was."""
    line = " ".join(text.splitlines()) if "\n" in text else text
    if cell_len(line) <= width:
        return line
    if width <= len(mark):
        return mark[:width]
    return set_cell_size(line, width - len(mark)) + mark


def _chosen(rows: Rows, most: int) -> tuple[list[Row], list[Row]]:
    """The rows that are drawn, and the others; if not all fit, running ones come first."""
    known = list(rows)
    if len(known) <= most:
        return known, []

    def rank(row: Row) -> tuple[bool, float]:
        # Of rows that do not run, the lowest come first.
        worth = row.mean if row.is_final else math.inf
        return not row.num_running, 0.0 if row.num_running else worth

    shown = nsmallest(most, known, key=rank)
    ids = set(map(id, shown))
    return shown, [row for row in known if id(row) not in ids]


def _more(hidden: Sequence[Row]) -> str:
    text = f"and {len(hidden):,} more {'row' if len(hidden) == 1 else 'rows'}"
    if num := sum(row.is_over for row in hidden):
        text += f": {num:,} finished"
    known = [row for row in hidden if row.is_final]
    if known:
        lowest = min(known, key=lambda row: row.mean)
        text += f", lowest {lowest.name} {_percent(lowest.mean)}"
    return text


def _draw_rows(pen: _Pen, rows: Rows, shown: Sequence[Row]) -> None:
    glyphs, low_high = pen.glyphs, rows.scale()
    cells = [_cells(row, glyphs) for row in shown]
    errors = [_errors(row, glyphs) for row in shown]
    best = [_percent(min(row.errors)) if row.is_final else "" for row in shown]
    widths = [max(map(len, (title, *column))) for title, column in
              (("cells", cells), ("val. error", errors), ("best", best))]  # fmt: skip
    fixed = sum(widths) + len(widths)
    longest = max((cell_len(row.name) for row in shown), default=0)
    name = max(LEAST_NAME, len(rows.axis), longest)
    wanted = CURVE_WIDTHS[pen.width >= WIDE]
    name = max(LEAST_NAME, min(name, pen.width - fixed - wanted - 1))
    curve = min(wanted, pen.width - fixed - name - 1)
    if curve < LEAST_CURVE:
        curve = 0
        name = max(LEAST_NAME, min(max(longest, len(rows.axis)), pen.width - fixed))

    def line(label: str, told: Sequence[str], end: str) -> str:
        held = set_cell_size(cut(label, name, glyphs.cut), name)
        parts = [told[0].ljust(widths[0]), told[1].rjust(widths[1]), told[2].rjust(widths[2])]
        return " ".join([held, *parts, end]).rstrip()

    what = f"curve of the mean; {glyphs.mark} a layer turns binary"
    if curve < len(what) - 20:
        what = "curve"
    pen.add(line(rows.axis, ("cells", "val. error", "best"), what if curve else ""), style="dim")
    for row, *told in zip(shown, cells, errors, best, strict=True):
        pen.add(line(row.name, told, drawn_curve(row, curve, low_high, glyphs) if curve else ""))


def _cells(row: Row, glyphs: Glyphs) -> str:
    if len(row.cells) <= MOST_DOTS:
        return "".join(glyphs.dots[state] for state in row.states())
    text = f"{row.counts[State.FINISHED]}/{len(row.cells)}"
    for state in (State.RUNNING, State.FAILED):
        if num := row.counts[state]:
            text += f" {glyphs.dots[state]}{num}"
    return text


def _errors(row: Row, glyphs: Glyphs) -> str:
    if not row.errors:
        return ""
    if not row.is_final:
        # Of cells that go on: not yet what the row will come to.
        return f"~{_percent(row.mean)}"
    spread = "" if math.isnan(row.std) else f"{glyphs.spread}{_percent(row.std)}"
    return f"{_percent(row.mean)}{spread}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def drawn_curve(row: Row, width: int, scale: tuple[float, float], glyphs: Glyphs) -> str:
    """A row's curve over all of its epochs, as far as it goes, with one mark a switch.

    Args:
        row: The row.
        width: Columns for all planned epochs.
        scale: The lowest and the highest value of all rows.
        glyphs: The letters.
    """
    low, high = map(math.sqrt, scale)
    marks = {epoch * width // max(1, row.epochs) for epoch, _ in row.switches if epoch > 0}
    top = len(glyphs.levels) - 1
    drawn = []
    for column in range(width):
        part = column * row.num_parts // width
        if part >= len(row.curve):
            break
        value = row.curve[part]
        if column in marks:
            drawn.append(glyphs.mark)
        elif value is None:
            drawn.append(" ")
        else:
            height = (math.sqrt(value) - low) / (high - low) if high > low else 0.0
            drawn.append(glyphs.levels[round(height * top)])
    return "".join(drawn)
