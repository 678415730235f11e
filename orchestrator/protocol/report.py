"""The report of a network: what its protocol found, of those stages that are recorded."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from dashboards.analysis.trials import ViewError
from dashboards.comparison import compare
from dashboards.curves import curve_reader
from dashboards.html.analysis_part import AnalysisPart, analysis_part, table_part
from dashboards.html.protocol_document import (
    NAMES,
    Compared,
    Missing,
    ProtocolContent,
    Ranked,
    protocol_files,
)
from dashboards.html.provenance import PROGRAM, provenance_of_stages
from dashboards.matrix import matrix_of
from dashboards.runs import NoResultsError, StudyRuns
from dashboards.stages import full_matrix, table_of
from orchestrator.home import Home
from orchestrator.protocol.stages import (
    FULL,
    LR,
    SENSITIVITY,
    Changes,
    Sensitivities,
    given_for,
    load_stage,
    name_of,
    rates_of,
    sensitivities,
)
from orchestrator.results.reporting import content_of, write_report
from orchestrator.study.spec import StudySpec

VIEW = {SENSITIVITY: "sensitivity", LR: "rates"}
"""The view that shows what a stage found."""
ARTIFACT = "protocol.html"


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkReport:
    """A report, before it is written.

    Args:
        files: Name to text.
        last: The last recorded stage; MLflow keeps the page there.
        missing: What is not recorded; None: all is.
    """

    files: Mapping[str, str]
    last: StudyRuns
    missing: Missing | None


def protocol_words(network: str, changes: Changes) -> list[str]:
    """The words that one types to run the protocol with these changes."""
    variant = changes.variant
    words = ["protocol", network, *(["--as-published"] if variant.as_published else [])]
    for override in variant.overrides:
        words += ["--set", override]
    for flag, value in (("--scale-epochs", variant.epoch_scale), ("--apart", variant.apart)):
        words += [flag, value] if value else []
    return words + (["--seeds", ",".join(map(str, changes.seeds))] if changes.seeds else [])


def network_report(network: str, changes: Changes, home: Home, *, command: str) -> NetworkReport:
    """The report of the recorded stages of a network.

    Args:
        network: A name or path as for `orchestrator.protocol.stages.load_stage`.
        changes: How the protocol differs from its files.
        home: Names the store.
        command: What one types to run the stages that are missing.

    Raises:
        StudyError: If a study has faults.
        NoResultsError: If the first stage is not recorded, or lacks a layer.
        StoreError: If the store cannot be read.
    """
    first = load_stage(network, SENSITIVITY, changes)
    try:
        found = sensitivities(first, home)
    except NoResultsError as error:
        what = f"{network}, stage {SENSITIVITY}, is not recorded: {error}"
        raise NoResultsError(what).with_hint(f"to have it: {command}") from error
    part = _ranked(first, SENSITIVITY, found.table, home)
    lr, full, missing = None, None, None
    try:
        study = _later(network, LR, changes, home)
        lr = _ranked(study, LR, table_of(study, home.tracking_uri, column="lr"), home)
        full = _compared(_later(network, FULL, changes, home), home)
    except NoResultsError as error:
        left = (LR, FULL) if lr is None else (FULL,)
        missing = Missing(stages=left, reason=f"{error}.", command=command)
    contents = [one.content for one in (part, lr, full) if one is not None]
    content = ProtocolContent(
        network=name_of(network),
        sensitivity=replace(part, part=_with_orders(part.part, found)),
        orders=json.loads(found.to_json()),
        provenance=provenance_of_stages(
            [one.provenance for one in contents],
            shlex.join([PROGRAM, *protocol_words(network, changes)]),
        ),
        lr=lr,
        full=full,
        missing=missing,
    )
    return NetworkReport(files=protocol_files(content), last=contents[-1].runs, missing=missing)


def write_network_report(report: NetworkReport, folder: Path) -> None:
    """Writes the files into a folder, and removes those of an earlier report that it lacks."""
    for name in NAMES - set(report.files):
        (folder / name).unlink(missing_ok=True)
    write_report(report.files, folder)


def _later(network: str, stage: str, changes: Changes, home: Home) -> StudySpec:
    """The study of a stage with what the earlier ones found."""
    return load_stage(network, stage, changes, given_for(network, stage, changes, home) or None)


def _ranked(study: StudySpec, stage: str, table: pd.DataFrame, home: Home) -> Ranked:
    content = content_of(study, home, is_whole=False)
    try:
        part = analysis_part(VIEW[stage], content.runs, curve_reader(home.tracking_uri))
    except ViewError:
        part = table_part(VIEW[stage], table)
    return Ranked(content=content, table=table, part=part)


def _compared(study: StudySpec, home: Home) -> Compared:
    # First, for it refuses another variant than this one.
    matrix = full_matrix(study, home.tracking_uri)
    content = content_of(study, home)
    whole = matrix_of(content.runs)
    return Compared(
        content=content,
        whole=whole,
        found=compare(whole),
        matrix=matrix,
        rates=rates_of(study),
    )


def _with_orders(part: AnalysisPart, found: Sensitivities) -> AnalysisPart:
    """The part with the orders under the names that later stages give them."""
    lines = [f"Later stages take ascend {_text(found.ascend)}, descend {_text(found.descend)}."]
    if found.published is not None:
        what = f"The published order ascend is {_text(found.published)}"
        lines.append(f"{what}: Kendall tau {found.kendall_tau:+.2f}.")
    return replace(part, sentences=[*lines, *part.sentences])


def _text(order: Sequence[int]) -> str:
    return "-".join(map(str, order))
