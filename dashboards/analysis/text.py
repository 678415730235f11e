"""The views of a study as tables for a terminal."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from dashboards.analysis.rates import by_rate
from dashboards.comparison import LEVEL
from dashboards.report import shown, unit
from dashboards.stages import best_of
from dashboards.statistics import Better
from dashboards.verdicts import interval, tested, told

MOST_BUDGETS = 8
"""Most budgets of epochs in a table; a file has them all."""

Shown = tuple[Table, list[str]]
"""A table, and sentences below it."""


def title(frame: pd.DataFrame) -> str:
    """The line above a view: study, metric and unit."""
    metric = str(frame.attrs["metric"])
    return f"{frame.attrs['title']}: {metric}{unit(metric)}"


def sensitivity_text(table: pd.DataFrame) -> Shown:
    """Layer by learning rate, and the orders that follow."""
    attrs, metric = table.attrs, str(table.attrs["metric"])
    names, best = attrs["names"], attrs["best"]
    rates = [f"{table.columns.name} {label}" for label in table.columns]
    made = _table([str(table.index.name), "name"], [*rates, "best", "at"])
    for row in table.index:
        values = [shown(value, metric) for value in table.loc[row]]
        at, value = best.get(row, ("–", math.nan))
        made.add_row(Text(str(row)), Text(names.get(row, "")), *values, shown(value, metric), at)
    ranked = attrs["ascending"]
    lines = [f"ascending {' '.join(ranked)}; descending {' '.join(ranked[::-1])}"]
    if attrs["missing"]:
        lines.append(f"not in these orders, for no cell is finished: {' '.join(attrs['missing'])}")
    lines.append(f"A ranking of {_of_runs(attrs['n'])}, not a test.")
    return made, lines


def rates_text(curves: pd.DataFrame) -> Shown:
    """Row by learning rate, and the best rate of each row."""
    attrs, metric = curves.attrs, str(curves.attrs["metric"])
    labels = list(curves.sort_values("lr", ascending=False)["label"].unique())
    made = _table([attrs["rows"]], [*(f"{attrs['rates']} {label}" for label in labels), "best at"])
    best, edge = best_of(by_rate(curves)), []
    for row, group in curves.groupby("row", sort=False):
        at = {line["label"]: _mean(line, metric) for _, line in group.iterrows()}
        top = best.get(str(row), ("", math.nan))[1]
        # Means of equal values in another order differ in their last digits.
        equal = {line["label"]: math.isclose(line["mean"], top) for _, line in group.iterrows()}
        tied = [label for label in labels if equal.get(label)]
        is_edge = bool(tied) and all(label in (labels[0], labels[-1]) for label in tied)
        edge += [str(row)] if len(labels) > 2 and is_edge else []
        made.add_row(
            Text(str(row)), *(at.get(label, "–") for label in labels), ", ".join(tied) or "–"
        )
    lines = [f"A choice among {_of_runs(int(curves['n'].max()))}, not a test."]
    if edge:
        what = "Best at the largest or the smallest rate that was tried"
        lines.insert(0, f"{what}: {', '.join(edge)}.")
    return made, lines


def positions_text(table: pd.DataFrame) -> Shown:
    """Layer by position."""
    metric, last = str(table.attrs["metric"]), len(table.columns)
    heads = ["first", *(str(number) for number in range(2, last)), "last"]
    made = _table(["layer"], heads)
    for layer in table.index:
        values = [shown(value, metric) for value in table.loc[layer]]
        made.add_row(Text(str(layer)), *values)
    return made, [_of_orders(table), *_question(table)]


def pairs_text(pairs: pd.DataFrame) -> Shown:
    """Each two layers: one before the other, less the other way round."""
    metric = str(pairs.attrs["metric"])
    made = _table(["layer", "before"], [f"less the reverse [95 %]{unit(metric)}"], ["verdict"])
    for _, line in pairs.iterrows():
        words = f"no verdict: {line['refusal']}"
        if not line["refusal"]:
            words = "differs" if line["differs"] else "cannot be told apart"
        names = Text(str(line["before"])), Text(str(line["after"]))
        bold = "bold" if line["differs"] else None
        made.add_row(
            *names, interval(line["mean"], line["low"], line["high"], metric), words, style=bold
        )
    return made, [_of_orders(pairs), *_question(pairs)]


def budget_text(table: pd.DataFrame) -> Shown:
    """Order by budget of epochs, and the order with the best mean at each."""
    attrs, metric = table.attrs, str(table.attrs["metric"])
    if table.empty:
        made = _table([str(table.index.name)], [])
        return made, ["No cell has an epoch on record in which all of its layers are binary."]
    chosen = _spread_out([int(budget) for budget in table.columns], MOST_BUDGETS)
    made = _table([str(table.index.name)], [f"{budget} epochs" for budget in chosen])
    for row in table.index:
        made.add_row(Text(str(row)), *(shown(table.loc[row, at], metric) for at in chosen))
    word = "lowest" if attrs["better"] == "lower" else "highest"
    made.add_section()
    made.add_row(word, *(best_at(table[at], attrs["better"]) for at in chosen))
    first = f"All layers are binary from epoch {table.columns[0]} on."
    return made, [first, f"The {word} of {len(table)} orders is a choice, not a test."]


def shares_text(curves: pd.DataFrame) -> Shown:
    """Series by share of weights that is kept."""
    metric = str(curves.attrs["metric"])
    keeps = sorted(curves["keep"].unique(), reverse=True)
    made = _table(["kept"], [f"{100 * keep:g} %" for keep in keeps])
    for series, group in curves.groupby("series", sort=False):
        at = {line["keep"]: _mean(line, metric) for _, line in group.iterrows()}
        made.add_row(Text(str(series)), *(at.get(keep, "") for keep in keeps))
    return made, [f"Means of {_of_runs(int(curves['n'].max()))}; no test between series."]


def effects_text(frame: pd.DataFrame) -> Shown:
    """Rows sorted by their difference to the control."""
    attrs, metric = frame.attrs, str(frame.attrs["metric"])
    sure = f"{100 * (1 - attrs['level']):.4g}"
    head = f"minus {attrs['control']} [{sure} %]{unit(metric)}"
    made = _table([str(frame.index.name)], [head], ["verdict"])
    for row, line in frame.iterrows():
        words = told(
            refusal=line["refusal"],
            differs=line["differs"],
            is_not_worse=line["is_not_worse"],
            control=attrs["control"],
            margin=attrs["margin"],
            metric=metric,
        )
        bold = "bold" if line["differs"] else None
        made.add_row(
            Text(str(row)),
            interval(line["mean"], line["low"], line["high"], metric),
            Text(words),
            style=bold,
        )
    word = "lowest" if attrs["better"] == "lower" else "highest"
    return made, [f"The {word} first; all intervals together hold in {sure} of 100 studies."]


def best_at(column: "pd.Series[float]", better: Better) -> str:
    """The row with the best value; all of them if several have it."""
    top = column.min() if better == "lower" else column.max()
    return ", ".join(str(row) for row in column.index[column == top]) or "–"


def _table(labels: Sequence[str], numbers: Sequence[str], words: Sequence[str] = ()) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for label in labels:
        made.add_column(Text(label), overflow="fold")
    for number in numbers:
        made.add_column(Text(number), justify="right")
    for word in words:
        made.add_column(Text(word), overflow="fold")
    return made


def _mean(line: "pd.Series[Any]", metric: str) -> str:
    spread = "" if math.isnan(line["std"]) else f" ± {shown(line['std'], metric)}"
    return shown(line["mean"], metric) + spread


def _of_runs(n: int) -> str:
    return "single runs" if n == 1 else f"{n} runs each"


def _of_orders(frame: pd.DataFrame) -> str:
    orders, possible = frame.attrs["num_orders"], frame.attrs["num_possible"]
    every = "all" if orders == possible else f"{orders} of {possible:,}"
    more = "" if orders == possible else "; with some orders alone, layers are mixed up"
    return f"Means over {every} orders of these layers{more}."


def _question(frame: pd.DataFrame) -> list[str]:
    same = frame.attrs["same"]
    if math.isnan(same):
        return []
    answer = "they do" if same < LEVEL else "this study cannot tell"
    question = f"Do the {frame.attrs['num_orders']} orders differ at all?"
    return [f"{question} {tested(same)}; {answer}."]


def _spread_out(budgets: Sequence[int], most: int) -> list[int]:
    """At most so many of them, the first and the last included."""
    if len(budgets) <= most:
        return list(budgets)
    step = (len(budgets) - 1) / (most - 1)
    return [budgets[round(number * step)] for number in range(most)]
