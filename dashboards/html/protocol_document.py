"""The report of a network's protocol: one HTML file, and the same as CSV, JSON and LaTeX."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from dashboards.cells_table import cells_csv
from dashboards.comparison import Comparison
from dashboards.html.analysis_part import AnalysisPart, from_rich
from dashboards.html.document import (
    DATA,
    HTML,
    MOST_ROWS,
    VERSION,
    Content,
    content_data,
    data_text,
    failed_table,
    repeat_data,
)
from dashboards.html.matrix_part import matrix_part
from dashboards.html.provenance import Provenance
from dashboards.html.render import REPORT_SCRIPTS, rendered
from dashboards.html.tables import Table
from dashboards.latex import matrix_latex
from dashboards.protocol_report import networks_table, table_title
from dashboards.report import matrix_csv
from dashboards.stages import best_of, by_network, with_best


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """What of a protocol is not recorded.

    Args:
        stages: The stages.
        reason: Why it counts as missing.
        command: What one types to have it.
    """

    stages: Sequence[str]
    reason: str
    command: str

    @property
    def named(self) -> str:
        """The stages in words."""
        return f"stage{'s' if len(self.stages) > 1 else ''} {' and '.join(self.stages)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """A stage that one reads as a table of row by learning rate.

    Args:
        content: Its cells.
        table: The result of `dashboards.stages.table_of`.
        part: What is shown of it.
    """

    content: Content
    table: pd.DataFrame
    part: AnalysisPart


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """The full runs.

    Args:
        content: Their cells.
        whole: The result of `dashboards.matrix.matrix_of`.
        found: Its comparison with the control; None: the study names none.
        matrix: The result of `dashboards.stages.full_matrix`.
        rates: Row to the learning rate that it was given.
    """

    content: Content
    whole: pd.DataFrame
    found: Comparison | None
    matrix: pd.DataFrame
    rates: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProtocolContent:
    """What a report of a network is made of.

    Args:
        network: The network's name.
        sensitivity: The first stage.
        orders: What follows from it, as plain data.
        provenance: Where all of it comes from.
        lr: The second stage; None: not recorded.
        full: The third stage; None: not recorded.
        missing: What is not recorded; None: all is.
    """

    network: str
    sensitivity: Ranked
    orders: Mapping[str, Any]
    provenance: Provenance
    lr: Ranked | None
    full: Compared | None
    missing: Missing | None

    def ranked(self) -> dict[str, Ranked]:
        """The recorded stages before the full runs, by name."""
        found = {"sensitivity": self.sensitivity, "lr": self.lr}
        return {name: stage for name, stage in found.items() if stage is not None}

    def contents(self) -> dict[str, Content]:
        """The cells of each recorded stage, by name."""
        last = {} if self.full is None else {"full": self.full.content}
        return {name: stage.content for name, stage in self.ranked().items()} | last


NAMES: Final = frozenset(
    {HTML, DATA, "sensitivity.csv", "rates.csv", "protocol.csv", "matrix.csv", "matrix.tex"}
    | {f"cells-{stage}.csv" for stage in ("sensitivity", "lr", "full")}
    | {f"study-{stage}.yaml" for stage in ("sensitivity", "lr", "full")}
)
"""The files that a report may have."""


def protocol_files(content: ProtocolContent) -> dict[str, str]:
    """The files of a report: name to text.

    Args:
        content: What it is made of.
    """
    files = {HTML: _html(content), DATA: data_text(_data(content))}
    files["sensitivity.csv"] = _csv(content.sensitivity.table.reset_index())
    if content.lr is not None:
        files["rates.csv"] = _csv(with_best(content.lr.table))
    if content.full is not None:
        whole = content.full.whole
        files["protocol.csv"] = _csv(by_network({content.network: content.full.matrix}))
        files["matrix.csv"] = matrix_csv(whole)
        files["matrix.tex"] = matrix_latex(
            whole, content.full.found, command=content.provenance.commands[-1]
        )
    for name, stage in content.contents().items():
        files[f"cells-{name}.csv"] = cells_csv(stage.runs)
        if stage.provenance.study_file:
            files[f"study-{name}.yaml"] = stage.provenance.study_file
    return files


def _html(content: ProtocolContent) -> str:
    contents = content.contents()
    tables = {name: failed_table(stage.summary.cells) for name, stage in contents.items()}
    full = content.full
    return rendered(
        "protocol.html",
        title=f"{content.network}: protocol",
        question="" if full is None else full.content.summary.question,
        missing=content.missing,
        table=None if full is None else _table(content.network, full),
        stages=[
            {"name": name, "part": stage.part, **_progress(stage.content)}
            for name, stage in content.ranked().items()
        ],
        full=None if full is None else _full(full),
        failures=[{"stage": name, "table": one} for name, one in tables.items() if one],
        provenance=content.provenance,
        files={
            name: stage.provenance.study_file
            for name, stage in contents.items()
            if stage.provenance.study_file
        },
        written=time.strftime("%Y-%m-%d"),
        scripts=REPORT_SCRIPTS,
    )


def _table(network: str, full: Compared) -> Table:
    table = networks_table({network: full.matrix}, {network: full.rates})
    return from_rich(table, f"{table_title(full.matrix)} (protocol)")


def _full(full: Compared) -> dict[str, Any]:
    content = full.content
    return {
        "part": matrix_part(full.whole, full.found),
        "curves": content.curves,
        "curve": content.curve,
        "left_out": max(0, len(content.summary.rows()) - MOST_ROWS),
        "analyses": content.analyses,
        **_progress(content),
    }


def _progress(content: Content) -> dict[str, Any]:
    return {"counts": content.summary.counts(), "total": len(content.summary.cells)}


def _data(content: ProtocolContent) -> dict[str, Any]:
    full, missing = content.full, content.missing
    best = {} if content.lr is None else best_of(content.lr.table)
    return {
        "version": VERSION,
        "network": content.network,
        "missing": None
        if missing is None
        else {"stages": list(missing.stages), "reason": missing.reason},
        "cells": {name: stage.summary.counts() for name, stage in content.contents().items()},
        "sensitivity": dict(content.orders),
        "lr": {row: {"lr": rate, "value": value} for row, (rate, value) in best.items()},
        "full": None
        if full is None
        else content_data(
            replace(full.content, provenance=content.provenance), full.whole, full.found
        ),
        "repeat": repeat_data(content.provenance),
    }


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, lineterminator="\n"))
