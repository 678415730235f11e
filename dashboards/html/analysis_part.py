"""A view of a study beside its matrix: the table of the terminal, and a chart of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from rich.table import Table as RichTable
from rich.text import Text

from dashboards.analysis.text import title
from dashboards.analysis.views import VIEWS, view_frame
from dashboards.curves import ReadCurves
from dashboards.html.charts import Chart, Spec
from dashboards.html.line_charts import lines_chart
from dashboards.html.row_charts import heat_map
from dashboards.html.tables import Line, Table, line
from dashboards.protocol_report import rates_table, table_title
from dashboards.runs import StudyRuns


@dataclass(frozen=True, kw_only=True, slots=True)
class AnalysisPart:
    """What is shown of a view.

    Args:
        title: The question that it answers.
        table: The answer.
        sentences: What the table does not say.
        chart: The same to look at; None: the table says it.
    """

    title: str
    table: Table
    sentences: Sequence[str]
    chart: Chart | None


def analysis_part(name: str, runs: StudyRuns, read: ReadCurves) -> AnalysisPart:
    """A view of a study.

    Args:
        name: A key of `dashboards.analysis.views.VIEWS` that fits the study.
        runs: The recorded study.
        read: Reads curves.

    Raises:
        NoResultsError: If no cell has the study's metric.
        ViewError: If the view does not fit the study.
    """
    view = VIEWS[name]
    frame = view_frame(name, runs, read)
    table, sentences = view.text(frame)
    spec = _CHARTS[name](frame) if name in _CHARTS and not frame.empty else None
    return AnalysisPart(
        title=view.answers,
        table=from_rich(table, f"{title(frame)} ({name})"),
        sentences=sentences,
        chart=Chart(key=name, title="", spec=spec) if spec else None,
    )


def table_part(name: str, frame: pd.DataFrame) -> AnalysisPart:
    """A stage of a protocol that its view does not fit, such as one with a single learning rate.

    Args:
        name: A key of `dashboards.analysis.views.VIEWS`.
        frame: The result of `dashboards.stages.table_of`.
    """
    return AnalysisPart(
        title=VIEWS[name].answers,
        table=from_rich(rates_table(frame), table_title(frame)),
        sentences=[],
        chart=Chart(key=name, title="", spec=_fields(frame)),
    )


def from_rich(table: RichTable, caption: str) -> Table:
    """A table of the terminal as one of a page.

    Args:
        table: Texts only.
        caption: What it shows.
    """
    columns = [[_plain(cell) for cell in column.cells] for column in table.columns]
    strong = ["bold" in str(row.style or "") for row in table.rows]
    lines: list[Line] = [
        line(*texts, is_strong=is_strong)
        for texts, is_strong in zip(zip(*columns, strict=True), strong, strict=True)
    ]
    return Table(
        caption=caption,
        head=[_plain(column.header) for column in table.columns],
        lines=lines,
        words=frozenset(
            number for number, column in enumerate(table.columns) if column.justify != "right"
        ),
    )


def _plain(cell: object) -> str:
    return cell.plain if isinstance(cell, Text) else Text.from_markup(str(cell)).plain


def _fields(frame: pd.DataFrame) -> Spec:
    values = {
        str(row): {str(column): float(value) for column, value in frame.loc[row].items()}
        for row in frame.index
    }
    return heat_map(
        values,
        rows=str(frame.index.name),
        columns=str(frame.columns.name),
        metric=str(frame.attrs["metric"]),
    )


def _budgets(frame: pd.DataFrame) -> Spec:
    lines = {
        str(row): [(float(budget), float(value)) for budget, value in frame.loc[row].items()]
        for row in frame.index
    }
    metric = str(frame.attrs["metric"])
    return lines_chart(lines, x="epochs", metric=metric, name=str(frame.index.name))


def _by(frame: pd.DataFrame, *, series: str, at: str, x: str, name: str) -> Spec:
    lines = {
        str(one): list(zip(part[at].astype(float), part["mean"].astype(float), strict=True))
        for one, part in frame.groupby(series, sort=False)
    }
    is_log = bool((frame[at] > 0).all())
    metric = str(frame.attrs["metric"])
    return lines_chart(lines, x=x, metric=metric, name=name, is_log=is_log)


_CHARTS: Mapping[str, Callable[[pd.DataFrame], Spec]] = {
    "sensitivity": _fields,
    "positions": _fields,
    "budget": _budgets,
    "rates": lambda frame: _by(
        frame, series="row", at="lr", x="learning rate", name=str(frame.attrs["rows"])
    ),
    "shares": lambda frame: _by(
        frame, series="series", at="keep", x="share of kept weights", name="series"
    ),
}
