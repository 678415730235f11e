"""Writes the report of a study into a folder, and onto the study's run in MLflow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from dashboards.analysis.views import fitting
from dashboards.curves import Curve, curve_reader
from dashboards.html.analysis_part import analysis_part
from dashboards.html.charts import Chart
from dashboards.html.curves_part import curves_part
from dashboards.html.document import DATA, HTML, MOST_ROWS, Content, report_files
from dashboards.html.provenance import provenance_of
from dashboards.runs import StudyLike, StudyRuns, study_runs
from dashboards.summary import Summary, Watch
from dashboards.switches import CHARTED, switches_of
from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.home import Home
from orchestrator.mlflow_reader.artifacts import artifact_text
from orchestrator.mlflow_reader.overview import CellNow, Switch
from orchestrator.mlflow_reader.reader import Reader, told
from orchestrator.record.store import Store
from orchestrator.study.catalog import study_files
from orchestrator.study.file import read_study_file

MOST_SEEDS = 10
"""Most curves in one panel."""
MOST_CELLS = 500
"""Most cells of which all curves are read."""


class FolderError(OrchestratorError):
    """The folder is no place for this report; nothing was written."""


def refuse_other_folder(
    folder: Path, name: str, kind: Literal["study", "network"] = "study"
) -> None:
    """Refuses a folder that has something else in it than a report of the same.

    Args:
        folder: Where the report is to be written.
        name: The name of the study, or of the network.
        kind: Which of the two it is.

    Raises:
        FolderError: Naming what is there.
    """
    way = "name another folder, or an empty one"
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file; {way}")
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        data = json.loads((folder / DATA).read_text("utf-8"))
        known = "network" if "network" in data else "study"
        there = data[known]
    except (OSError, ValueError, KeyError, TypeError):
        raise FolderError(f"{folder} has files that are no report's; {way}") from None
    if (known, there) != (kind, name):
        raise FolderError(f"{folder} has the report of the {known} '{there}'; {way}")


def made_report(study: str | StudyLike, home: Home) -> tuple[StudyRuns, dict[str, str]]:
    """The report of a study: its finished cells, and name to text of the files.

    Args:
        study: As for `dashboards.runs.study_runs`.
        home: Names the store.

    Raises:
        NoResultsError: If no cell is finished.
        StoreError: If the store cannot be read.
    """
    content = content_of(study, home)
    return content.runs, report_files(content)


def content_of(study: str | StudyLike, home: Home, *, is_whole: bool = True) -> Content:
    """What the report of a study is made of.

    Args:
        study: As for `dashboards.runs.study_runs`.
        home: Names the store.
        is_whole: Whether with its curves and its other views, whose reading takes longest.

    Raises:
        NoResultsError: If no cell is finished.
        StoreError: If the store cannot be read.
    """
    runs = study_runs(study, home.tracking_uri)
    with told(home.tracking_uri):
        reader = Reader(home.tracking_uri)
        variants = reader.variants([runs.experiment_id])
        summary = Watch(reader, next(one for one in variants if one.run_id == runs.run_id)).look()
        texts = {
            name: artifact_text(reader, runs.run_id, name) or ""
            for name in (vocabulary.ENVIRONMENT_ARTIFACT, vocabulary.STUDY_ARTIFACT)
        }
        curves = _curves(reader, summary) if is_whole else []
    file = texts[vocabulary.STUDY_ARTIFACT]
    provenance = provenance_of(
        runs,
        texts[vocabulary.ENVIRONMENT_ARTIFACT],
        file,
        is_shipped=is_shipped(runs.study, file),
    )
    read = curve_reader(home.tracking_uri)
    views = _analyses(runs) if is_whole else []
    return Content(
        runs=runs,
        summary=summary,
        provenance=provenance,
        curves=curves,
        curve=CHARTED[0],
        analyses=[analysis_part(name, runs, read) for name in views],
    )


def is_shipped(study: str, text: str) -> bool:
    """Whether a study of this name, whose file has this text, is among those shipped."""
    path = study_files().get(study)
    return path is not None and read_study_file(path).text == text


def write_report(files: Mapping[str, str], folder: Path) -> None:
    """Writes the files into a folder; the one that makes it a report's comes first."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(files, key=lambda name: name != DATA):
        (folder / name).write_text(files[name], encoding="utf-8")


def record_report(files: Mapping[str, str], runs: StudyRuns, home: Home, name: str = HTML) -> None:
    """Records the page as an artifact of the study's run; MLflow's pages show it there.

    Args:
        files: The report.
        runs: The study.
        home: Names the store.
        name: Of the artifact.

    Raises:
        StoreError: If the store does not take it.
    """
    store = Store(home)
    with told(home.tracking_uri):
        store.log_text(runs.run_id, files[HTML], name)


def _analyses(runs: StudyRuns) -> list[str]:
    """The views that a report shows, besides those that say what its matrix says."""
    # One of them reads the curve of every cell.
    large = ("budget",) if len(runs.cells) > MOST_CELLS else ()
    return [name for name in fitting(runs) if name not in ("effects", *large)]


def _curves(reader: Reader, summary: Summary) -> list[Chart]:
    over = summary.variant.tags.get(vocabulary.OVER_AXIS, "")
    curves: dict[str, dict[str, Curve]] = {}
    switches = {}
    for row, members in list(summary.rows().items())[:MOST_ROWS]:
        begun = [one for one in members if one.run_id][:MOST_SEEDS]
        curves[row] = {
            _named(one, over): reader.curve(one.run_id or "", CHARTED[0]) for one in begun
        }
        if begun:
            furthest = max(begun, key=lambda one: one.epoch)
            switches[row] = furthest.switches or _read_switches(reader, furthest.run_id or "")
    return curves_part(curves, switches, metric=CHARTED[0])


def _named(cell: CellNow, over: str) -> str:
    return f"{over} {cell.labels[over]}" if over in cell.labels else "value"


def _read_switches(reader: Reader, run_id: str) -> tuple[Switch, ...]:
    return switches_of(reader, run_id, reader.client.get_run(run_id).data.metrics)
