"""The report of a study: one HTML file that opens offline, and the same as CSV and JSON."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from dashboards.cells_table import cells_csv
from dashboards.comparison import Comparison, compare
from dashboards.html.analysis_part import AnalysisPart
from dashboards.html.charts import Chart
from dashboards.html.matrix_part import matrix_part
from dashboards.html.provenance import STUDY_FILE, Provenance
from dashboards.html.render import REPORT_SCRIPTS, rendered
from dashboards.html.tables import Table, line
from dashboards.latex import matrix_latex
from dashboards.matrix import STATISTICS, lines_of, matrix_of
from dashboards.report import matrix_csv
from dashboards.runs import StudyRuns
from dashboards.summary import Summary
from dashboards.verdicts import answer, verdict
from orchestrator.labels import name_of
from orchestrator.mlflow_reader.overview import CellNow
from orchestrator.vocabulary import State

HTML: Final = "report.html"
DATA: Final = "report.json"
VERSION: Final = 1
MOST_ROWS: Final = 40
"""Most rows of which learning curves are shown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What a report is made of.

    Args:
        runs: The finished cells.
        summary: All cells.
        provenance: Where they come from.
        curves: Charts of learning curves.
        curve: The curves' name.
        analyses: What else the study answers.
    """

    runs: StudyRuns
    summary: Summary
    provenance: Provenance
    curves: Sequence[Chart]
    curve: str
    analyses: Sequence[AnalysisPart] = ()


def report_files(content: Content) -> dict[str, str]:
    """The files of a report: name to text.

    Args:
        content: What it is made of.

    Raises:
        NoResultsError: If no cell has the study's metric.
    """
    matrix = matrix_of(content.runs)
    found = compare(matrix)
    files = {
        HTML: _html(content, matrix, found),
        DATA: data_text({"version": VERSION, **content_data(content, matrix, found)}),
        "matrix.csv": matrix_csv(matrix),
        "matrix.tex": matrix_latex(matrix, found, command=content.provenance.commands[-1]),
        "cells.csv": cells_csv(content.runs),
    }
    if content.provenance.study_file:
        files[STUDY_FILE] = content.provenance.study_file
    return files


def _html(content: Content, matrix: pd.DataFrame, found: Comparison | None) -> str:
    summary = content.summary
    num_rows = len(summary.rows())
    return rendered(
        "report.html",
        title=summary.variant.title,
        question=summary.question,
        counts=summary.counts(),
        total=len(summary.cells),
        part=matrix_part(matrix, found),
        analyses=content.analyses,
        curves=content.curves,
        curve=content.curve,
        left_out=max(0, num_rows - MOST_ROWS),
        failed=failed_table(summary.cells),
        provenance=content.provenance,
        written=time.strftime("%Y-%m-%d"),
        scripts=REPORT_SCRIPTS,
    )


def data_text(data: Mapping[str, Any]) -> str:
    """The text of a report's data."""
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def failed_table(cells: Sequence[CellNow]) -> Table | None:
    """The failed cells with their reasons; None: there is none."""
    failed = [cell for cell in cells if cell.state == State.FAILED]
    if not failed:
        return None
    return Table(
        caption=f"{len(failed):,} failed cells",
        head=["cell", "reason"],
        lines=[line(name_of(cell.labels), cell.reason or "") for cell in failed],
        words=frozenset({1}),
    )


def content_data(
    content: Content, matrix: pd.DataFrame, found: Comparison | None
) -> dict[str, Any]:
    """A study's matrix, its verdicts and where they come from, as plain data.

    Args:
        content: What the report is made of.
        matrix: Of its finished cells.
        found: The comparison with the control; None: the study names none.
    """
    metric = str(matrix.attrs["metric"])
    verdicts = {one.row: verdict(one, found, metric) for one in found.differences} if found else {}
    return {
        "study": content.runs.study,
        "title": content.runs.title,
        "question": content.summary.question,
        "answer": answer(matrix, found),
        "metric": metric,
        "cells": content.summary.counts(),
        "rows": [_row(row, known, verdicts) for row, known in lines_of(matrix).items()],
        "repeat": repeat_data(content.provenance),
    }


def repeat_data(provenance: Provenance) -> dict[str, Any]:
    """What one needs to repeat it, as plain data."""
    return {
        "commands": list(provenance.commands),
        "note": provenance.note,
        "commits": list(provenance.commits),
        "made_with": dict(provenance.facts),
    }


def _row(row: str, values: Mapping[str, float], verdicts: Mapping[str, str]) -> dict[str, Any]:
    known = {name: _plain(value) for name, value in values.items()}
    return {
        "row": row,
        **{name: known[name] for name in STATISTICS},
        "values": {name: value for name, value in known.items() if name not in STATISTICS},
        "verdict": verdicts.get(row, ""),
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
