"""What each view shows: from what was read to the values of its template."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.analysis.views import VIEWS as ANALYSES
from dashboards.analysis.views import fitting
from dashboards.comparison import compare
from dashboards.curves import Curve
from dashboards.html.analysis_part import analysis_part
from dashboards.html.charts import Chart
from dashboards.html.curves_part import curves_part
from dashboards.html.matrix_part import MatrixPart, matrix_part
from dashboards.html.tables import Cell, Table, line
from dashboards.matrix import matrix_of
from dashboards.page.addresses import VIEWS, address, in_mlflow, of_study, pages
from dashboards.page.source import GoneError, Source
from dashboards.page.watched import StillReadingError
from dashboards.report import shown, unit
from dashboards.runs import NoResultsError
from dashboards.summary import STATES, Summary
from dashboards.switches import CHARTED
from orchestrator import vocabulary
from orchestrator.labels import name_of
from orchestrator.masking import shown_address
from orchestrator.mlflow_reader.cells import OBJECTIVE, RecordedVariant, state_of
from orchestrator.mlflow_reader.overview import CellNow
from orchestrator.vocabulary import State

PAGE = 50
"""Lines of a table on one page."""
PANELS = 12
"""Panels of curves on one page."""
MOST_SEEDS = 10
"""Most curves in one panel."""

Query = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What is shown.

    Args:
        template: The file of its template.
        title: Of the window.
        values: For the template.
    """

    template: str
    title: str
    values: Mapping[str, Any]


def studies(source: Source, query: Query) -> View:
    """All variants of all studies, with their progress."""
    found = source.variants()
    where = pages("/", query, num=len(found), size=PAGE)
    lines = []
    for variant in found[where.part]:
        href = of_study(variant.study, variant=_named(variant))
        try:
            summary = source.summary(variant)
        except StillReadingError as error:
            texts = ["being read", str(error), "–", "", _time(variant.started_ms)]
            lines.append(line(Cell(variant.title, href), *texts))
            continue
        counts = summary.counts()
        done = counts.get(State.FINISHED.value, 0)
        lines.append(
            line(
                Cell(variant.title, href),
                state_of(variant.tags).value,
                f"{done:,} of {len(summary.cells):,}",
                f"{counts.get(State.FAILED.value, 0):,}",
                summary.question,
                _time(variant.started_ms),
            )
        )
    # The question comes late: a phone shows the first columns.
    head = ["study", "state", "finished cells", "failed", "question", "first sweep"]
    table = Table(
        caption="Studies, the newest first", head=head, lines=lines, words=frozenset({1, 4})
    )
    return View(
        template="studies.html",
        title="Studies",
        values={"table": table, "pages": where},
    )


def version_of_studies(source: Source, query: Query) -> str:
    """Changes with what `studies` shows."""
    found = source.variants()
    where = pages("/", query, num=len(found), size=PAGE)
    shown_ones = [_version(source, variant) for variant in found[where.part]]
    return hashlib.sha256(f"{len(found)} {shown_ones}".encode()).hexdigest()[:16]


def _version(source: Source, variant: RecordedVariant) -> str:
    try:
        return source.summary(variant).version
    except StillReadingError as error:
        return str(error)


def matrix(source: Source, study: str, query: Query) -> View:
    """The matrix with its statistics."""
    summary, values = _head(source, study, query, "Matrix")
    path = of_study(study)
    metric = query.get("metric") or summary.variant.tags.get(vocabulary.METRIC_NAME, "")
    part: MatrixPart | None = None
    nothing = _nothing(summary) or "No cell is finished yet; the matrix appears here by itself."
    where = pages(path, query, num=0, size=PAGE)
    try:
        frame = matrix_of(summary.runs(), metric=query.get("metric") or None)
    except NoResultsError as error:
        if any(cell.state == State.FINISHED for cell in summary.cells):
            nothing = str(error)
    else:
        where = pages(path, query, num=len(frame), size=PAGE)
        chosen = {"variant": query.get("variant", "")}
        part = matrix_part(
            frame,
            compare(frame),
            where.part,
            href=lambda row: of_study(study, "/cells", row=row, **chosen),
        )
    more = {"part": part, "nothing": nothing, "metric": metric, "metrics": summary.metrics()}
    return _view("matrix.html", summary, values | more | {"pages": where})


def _nothing(summary: Summary) -> str:
    """Why there will be no results unless somebody sweeps again; empty: there may be some."""
    counts, total = summary.counts(), len(summary.cells)
    if not total or counts.get(State.FAILED.value) != total:
        return ""
    what = "All cells failed" if total > 1 else "The only cell failed"
    return f"{what}: see why under Cells. The same sweep with --retry-failed trains again."


def curves(source: Source, study: str, query: Query) -> View:
    """Learning curves by row, with the epochs at which layers turned binary."""
    summary, values = _head(source, study, query, "Curves")
    begun = next((cell for cell in summary.cells if cell.run_id), None)
    there = source.content(begun).metrics if begun else {}
    metrics = [name for name in CHARTED if name in there] or list(CHARTED)
    metric = query.get("metric", "")
    nothing = "No cell has a curve yet."
    is_unknown = metric not in ("", *CHARTED, *metrics)
    if is_unknown:
        nothing = f"there is no chart of the metric '{metric}'; known: {', '.join(metrics)}"
    metric = metric if metric in metrics else metrics[0]
    rows = summary.rows()
    where = pages(of_study(study, "/curves"), query, num=len(rows), size=PANELS)
    some = dict(list(rows.items())[where.part])
    charts = [] if is_unknown else _panels(source, summary, some, metric)
    more = {"charts": charts, "metric": metric, "metrics": metrics, "pages": where}
    more["nothing"] = nothing
    return _view("curves.html", summary, values | more)


def cells(source: Source, study: str, query: Query) -> View:
    """The cells with their states, and why they failed."""
    summary, values = _head(source, study, query, "Cells")
    state, row = query.get("state", ""), query.get("row", "")
    chosen = summary.rows().get(row, []) if row else list(summary.cells)
    found = [cell for cell in chosen if state in ("", cell.state)]
    if not state and not row:
        # What one looks for comes first; the sort keeps the study's order otherwise.
        found.sort(key=lambda cell: cell.state == State.FINISHED)
    path = of_study(study, "/cells")
    where = pages(path, query, num=len(found), size=PAGE)
    kept = {"variant": query.get("variant", ""), "row": row}
    links = [(name, of_study(study, "/cells", state=name, **kept)) for name in STATES]
    table = Table(
        caption=f"{row or 'Cells'}, {len(found):,} in all",
        head=["cell", "state", f"validation error{unit(OBJECTIVE)}", "epochs", "ended", "reason"],
        lines=[_cell_line(study, cell, kept["variant"]) for cell in found[where.part]],
        words=frozenset({1, 5}),
    )
    more = {
        "table": table,
        "pages": where,
        "states": [("all", of_study(study, "/cells", **kept)), *links],
        "state": state or "all",
        "nothing": "There are none.",
    }
    if state not in ("", *STATES):
        more["nothing"] = f"there is no state '{state}'; known: {', '.join(STATES)}"
    return _view("cells.html", summary, values | more)


def cell(source: Source, study: str, run_id: str, query: Query) -> View:
    """One cell: its state, why it failed, its curves, metrics and parameters."""
    summary, values = _head(source, study, query, "")
    found = next((one for one in summary.cells if one.run_id == run_id), None)
    if found is None or not run_id:
        raise GoneError(f"the study '{study}' has no cell {run_id}")
    log = ""
    if found.state == State.FAILED:
        log = source.text(run_id, vocabulary.FAILURE_ARTIFACT)
    content = source.content(found)
    named = [name for name in CHARTED if name in content.metrics]
    turned = source.switches(found)
    charts = [
        chart
        for name in named
        for chart in curves_part(
            {name: {"value": source.curve(found, name)}}, {name: turned}, metric=name
        )
    ]
    charts = [
        Chart(
            key=f"{chart.key}-{number}", title=chart.title, spec=chart.spec, numbers=chart.numbers
        )
        for number, chart in enumerate(charts)
    ]
    more = {
        "cell": found,
        "name": name_of(found.labels),
        "facts": _facts(found),
        "run_link": in_mlflow(_shown(source), summary.variant, run_id),
        "log": log,
        "charts": charts,
        "metrics": _pairs(
            "Metrics",
            {
                f"{_of_metric(name)}{unit(name)}": shown(at, name)
                for name, at in sorted(content.metrics.items())
            },
        ),
        "params": _pairs("Parameters", dict(sorted(content.params.items()))),
    }
    return _view("cell.html", summary, values | more, title=name_of(found.labels))


def more(source: Source, study: str, query: Query) -> View:
    """What else the study answers, such as its orders or its sensitivity to a single layer."""
    summary, values = _head(source, study, query, "More")
    runs = source.runs(summary)
    names = fitting(runs)
    name = query.get("show", "")
    unknown = ""
    if name and names and name not in names:
        unknown = f"the study has no view '{name}'; known: {', '.join(names)}"
    name = name if name in names else (names[0] if names and not unknown else "")

    def read(run_ids: Sequence[str], key: str) -> Mapping[str, Curve]:
        cells = {cell.run_id: cell for cell in summary.cells}
        return {run_id: source.curve(cells[run_id], key) for run_id in run_ids if run_id in cells}

    path, kept = of_study(study, "/more"), {"variant": query.get("variant", "")}
    is_empty = not any(cell.state == State.FINISHED for cell in summary.cells)
    shown_values = {
        "part": analysis_part(name, runs, read) if name else None,
        "nothing": _nothing(summary) or ("No cell is finished yet." if is_empty else ""),
        "unknown": unknown,
        "names": [
            (ANALYSES[one].answers, address(path, {**kept, "show": one}), one == name)
            for one in names
        ],
    }
    return _view("more.html", summary, values | shown_values)


STUDY_VIEWS: Mapping[str, Callable[[Source, str, Query], View]] = {
    "Matrix": matrix,
    "Curves": curves,
    "Cells": cells,
    "More": more,
}


def _head(
    source: Source, study: str, query: Query, current: str
) -> tuple[Summary, dict[str, Any]]:
    variant = source.variant(study, query.get("variant", ""))
    kept = {"variant": query.get("variant", "")}
    summary = source.summary(variant)
    return summary, {
        "summary": summary,
        "views": [(name, of_study(study, end, **kept)) for name, end in VIEWS.items()],
        "current": current,
        "variant": kept["variant"],
        "mlflow": in_mlflow(_shown(source), variant, variant.run_id),
    }


def _view(template: str, summary: Summary, values: dict[str, Any], title: str = "") -> View:
    name = f"{title} · {summary.variant.title}" if title else summary.variant.title
    return View(template=template, title=name, values=values)


def _panels(
    source: Source, summary: Summary, rows: Mapping[str, list[CellNow]], metric: str
) -> list[Chart]:
    over = summary.variant.tags.get(vocabulary.OVER_AXIS, "")
    curves: dict[str, dict[str, Any]] = {}
    switches = {}
    for row, members in rows.items():
        begun = [one for one in members if one.run_id][:MOST_SEEDS]
        curves[row] = {
            f"{over} {one.labels[over]}" if over in one.labels else "value": source.curve(
                one, metric
            )
            for one in begun
        }
        # The cells of a row share their order of layers; one that is furthest shows most of it.
        if begun:
            furthest = max(begun, key=lambda one: (one.state == State.FINISHED, one.epoch))
            switches[row] = source.switches(furthest)
    return curves_part(curves, switches, metric=metric)


def _cell_line(study: str, one: CellNow, variant: str) -> Any:
    href = of_study(study, f"/cells/{one.run_id}", variant=variant) if one.run_id else ""
    error = one.metrics.get(OBJECTIVE, one.metrics.get("validation/error", float("nan")))
    return line(
        Cell(name_of(one.labels), href),
        one.state,
        shown(error, OBJECTIVE),
        f"{one.epoch}/{one.epochs}" if one.epochs else "–",
        _time(one.ended or 0),
        one.reason or "",
    )


def _facts(one: CellNow) -> list[tuple[str, str]]:
    facts = [(axis, label) for axis, label in one.labels.items()]
    if one.epochs:
        facts.append(("epochs", f"{one.epoch} of {one.epochs}"))
    # No time between the two: shared beginnings, copies and later attempts are no part of one.
    facts += [("began", _time(one.started or 0)), ("ended", _time(one.ended or 0))]
    return facts


def _of_metric(name: str) -> str:
    """A metric as it is named beside its value; what is drawn counts epochs from 1."""
    return f"{name}, counted from 0" if name.split("/")[-1] == "epoch" else name


def _pairs(caption: str, values: Mapping[str, str]) -> Table:
    lines = [line(name, value) for name, value in values.items()]
    words = frozenset({1}) if caption == "Parameters" else frozenset[int]()
    return Table(caption=caption, head=["name", "value"], lines=lines, words=words)


def _named(variant: RecordedVariant) -> str:
    """What names a variant in an address; nothing for the study as in its file."""
    return "" if variant.is_plain else variant.run_id


def _shown(source: Source) -> str:
    return shown_address(source.tracking_uri, user="")


def _time(ms: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(ms / 1000)) if ms else "–"
