"""A sweep as lines that fit a terminal."""

import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.cli.picture import (
    ASCII,
    BESIDES,
    FULL,
    Failed,
    Glyphs,
    Overall,
    cut,
    drawn_curve,
    glyphs_for,
    picture,
)
from orchestrator.cli.rows import FINAL, Row, Rows
from orchestrator.mlflow_reader.overview import CURVE, WAITING, CellNow, in_parts


def _cell(
    order: str, seed: int, state: str = "finished", *, error: float = 0.02, epochs: int = 30
) -> CellNow:
    """A cell of 30 epochs whose layers turn binary at 0, 10 and 20."""
    done = 0 if state == WAITING else epochs
    points = {epoch: error + 0.3 / (epoch + 1) for epoch in range(done)}
    return CellNow(
        labels={"order": order, "seed": str(seed)},
        epochs=30,
        epoch=done,
        state=state,
        metrics={CURVE: error} | ({FINAL: error} if state == "finished" else {}) if done else {},
        curve=in_parts(points, 30) or None,
        switches=tuple((at, f"fc{at}") for at in (0, 10, 20) if at < done),
    )


def _rows(cells: Sequence[CellNow]) -> Rows:
    rows = Rows("order", "seed")
    rows.update(enumerate(cells))
    return rows


CELLS = [
    _cell("float", 1),
    _cell("float", 2, error=0.04),
    _cell("forward", 1, "running", epochs=15, error=0.05),
    _cell("forward", 2, "failed", epochs=5),
    _cell("reverse", 1, WAITING),
    _cell("reverse", 2, WAITING),
]
FAILURE = Failed(name="forward · seed 2", reason="the loss is not finite", log="logs/x.log")


def _overall(**changes: object) -> Overall:
    parts: dict[str, object] = {
        "title": "tiny",
        "num_cells": 6,
        "share": 0.5,
        "rate": 18.43,
        "left_s": 41.0,
        "failures": [FAILURE],
    }
    return Overall(**(parts | changes))  # type: ignore[arg-type]


def _lines(
    cells: Sequence[CellNow] = CELLS,
    *,
    width: int = 80,
    height: int = 24,
    glyphs: Glyphs = FULL,
    **changes: object,
) -> list[str]:
    drawn = picture(_rows(cells), _overall(**changes), width=width, height=height, glyphs=glyphs)
    return [line.plain for line in drawn]


def test_at_80_columns_a_row_has_its_cells_errors_and_curve() -> None:
    head, bar, titles, floating, forward, reverse, failed = _lines()
    assert head == "tiny   2/6 cells finished · 1 running · 1 failed"
    assert bar.startswith("━" * 30)
    assert bar.endswith("╌╌  50%  41 s")
    assert titles == "order   cells  val. error best curve of the mean; ╎ a layer turns binary"
    assert floating.startswith("float   ●●    3.00 ± 1.41 2.00 █")
    assert forward.startswith("forward ◐✗          ~5.00      █")
    assert reverse == "reverse ··"
    assert failed == "failed: forward · seed 2: the loss is not finite"


def test_at_120_columns_more_is_told() -> None:
    lines = _lines(width=120, more=["2 wait for MLflow"])
    head = "tiny   2/6 cells finished · 1 running · 1 failed · 2 wait for MLflow"
    assert lines[0] == f"{head} · 18.4 epochs/s · 41 s left"
    assert lines[-1].endswith("not finite   (log: logs/x.log)")
    # A curve may be longer, too.
    assert len(lines[3]) > len(_lines()[3])


def test_a_terminal_that_has_no_more_gets_ascii() -> None:
    lines = _lines(glyphs=ASCII)
    assert "".join(lines).replace("forward · seed", "").isascii()
    assert lines[3].startswith("float   ##    3.00 +- 1.41 2.00 #")
    assert "|" in lines[3]


@pytest.mark.parametrize(
    ("encoding", "environment", "glyphs"),
    [
        ("utf-8", {"TERM": "xterm"}, FULL),
        ("utf-8", {"TERM": "dumb"}, ASCII),
        ("utf-8", {"TERM": "xterm", "NO_COLOR": "1"}, ASCII),
        ("ascii", {}, ASCII),
        ("latin-1", {}, ASCII),
        ("nonsense", {}, ASCII),
    ],
)
def test_the_letters_fit_the_terminal(
    encoding: str, environment: dict[str, str], glyphs: Glyphs
) -> None:
    assert glyphs_for(encoding, environment) is glyphs


@pytest.mark.parametrize("width", [20, 33, 50, 80, 99, 120, 200])
def test_no_line_is_longer_than_the_terminal_is_wide(width: int) -> None:
    long = [_cell(f"an order with a very long name that goes on 漢字 {n}", n) for n in range(40)]
    rows, overall = _rows(long), _overall(more=["2 wait for MLflow"] * 9)
    for glyphs in (FULL, ASCII):
        for line in picture(rows, overall, width=width, height=20, glyphs=glyphs):
            assert line.cell_len <= width


@pytest.mark.parametrize("height", [3, 8, 10, 24, 60])
def test_many_rows_leave_six_lines_free(height: int) -> None:
    lines = _lines([_cell(f"r{number}", 1) for number in range(100)], height=height)
    assert len(lines) <= height
    assert sum(line.startswith("r") for line in lines) == max(1, height - BESIDES) - (height < 4)


def test_of_many_rows_those_that_run_come_first_and_the_rest_is_summed_up() -> None:
    cells = [_cell(f"r{number:03}", 1, error=0.05 + number / 1000) for number in range(100)]
    cells[70] = _cell("r070", 1, "running", epochs=9)
    cells += [_cell("r200", 1, WAITING)]
    lines = _lines(cells, height=9, failures=())
    assert [line.split()[0] for line in lines[3:-1]] == ["r070", "r000", "r001"]
    assert lines[-1] == "and 98 more rows: 97 finished, lowest r002 5.20"


def test_over_ten_cells_a_row_are_counted() -> None:
    cells = [_cell("float", seed) for seed in range(37)]
    cells += [_cell("float", 40 + n, "running") for n in range(9)]
    cells += [_cell("float", 60, "failed"), *(_cell("float", 70 + n, WAITING) for n in range(3))]
    assert "float  37/50 ◐9 ✗1 " in _lines(cells)[3]


@pytest.mark.parametrize("width", [24, 40, 44])
def test_a_switch_has_one_mark_at_its_epoch(width: int) -> None:
    [row] = _rows([_cell("forward", 1)])
    drawn = drawn_curve(row, width, (0.0, 1.0), FULL)
    places = [place for place, letter in enumerate(drawn) if letter == "╎"]
    assert places == [10 * width // 30, 20 * width // 30]
    assert len(drawn) == width


def test_a_curve_goes_as_far_as_its_epochs() -> None:
    [row] = _rows([_cell("forward", 1, "running", epochs=15)])
    assert len(drawn_curve(row, 24, (0.0, 1.0), FULL)) == 12


def test_all_rows_have_one_scale() -> None:
    rows = _rows([_cell("high", 1, error=0.5), _cell("low", 1, error=0.0)])
    high, low = (drawn_curve(row, 24, rows.scale(), FULL) for row in rows)
    assert high[0] == "█"
    assert low[-1] == "▁"
    assert min(high.replace("╎", "█")) > max(low[1:].replace("╎", "▁"))


def test_a_reason_of_several_lines_is_one_line() -> None:
    assert cut("a\nb", 80, "…") == "a b"
    assert cut("abcdef", 4, "…") == "abc…"
    assert cut("abcdef", 2, "...") == ".."


def test_10_000_cells_are_drawn_about_as_quickly_as_their_rows_are_sorted() -> None:
    one = _cell("any", 1)
    cells = [
        replace(one, labels={"order": f"r{number // 5}", "seed": str(number % 5)})
        for number in range(10_000)
    ]
    rows = _rows(cells)

    def cost(of: Rows) -> float:
        began = time.thread_time()
        picture(of, _overall(), width=80, height=24, glyphs=FULL)
        return time.thread_time() - began

    few = _rows(cells[:100])
    # A hundred times the cells: sums over rows, never over their curves.
    assert min(cost(rows) for _ in range(5)) < 20 * min(cost(few) for _ in range(5))
    began = time.thread_time()
    rows.update([(7, cells[7])])
    once = time.thread_time() - began
    began = time.thread_time()
    _rows(cells[:2000])
    assert once < (time.thread_time() - began) / 4


def test_a_row_knows_whether_all_is_said() -> None:
    rows = {row.name: row for row in _rows(CELLS)}
    assert isinstance(rows["float"], Row)
    assert [rows[name].is_over for name in ("float", "forward", "reverse")] == [True, False, False]
