"""Reports in folders."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboards.matrix import result_matrix
from dashboards.runs import study_runs
from orchestrator.home import Home
from orchestrator.record.store import Store
from orchestrator.results.reporting import (
    FolderError,
    is_shipped,
    made_report,
    record_report,
    refuse_other_folder,
    write_report,
)
from orchestrator.study.catalog import load_study
from orchestrator.study.spec import StudySpec


def test_a_new_folder_an_empty_one_and_a_report_of_the_study_are_taken(tmp_path: Path) -> None:
    refuse_other_folder(tmp_path / "new", "tiny")
    refuse_other_folder(tmp_path, "tiny")
    write_report({"report.json": '{"study": "tiny"}', "report.html": "old"}, tmp_path / "a" / "b")
    refuse_other_folder(tmp_path / "a" / "b", "tiny")


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("thesis.tex", "all of it", "has files that are no report's"),
        ("report.json", "[]", "has files that are no report's"),
        ("report.json", "no JSON", "has files that are no report's"),
        ("report.json", '{"study": "other"}', "has the report of the study 'other'"),
        ("report.json", '{"network": "tiny"}', "has the report of the network 'tiny'"),
    ],
)
def test_what_is_no_report_of_the_study_is_not_overwritten(
    name: str, text: str, what: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FolderError, match=what):
        refuse_other_folder(tmp_path, "tiny")
    with pytest.raises(FolderError, match="is a file"):
        refuse_other_folder(tmp_path / name, "tiny")


def test_a_study_is_shipped_if_its_name_and_its_text_are() -> None:
    text = load_study("digits-orders").text
    assert is_shipped("digits-orders", text)
    assert not is_shipped("mine", text)
    assert not is_shipped("digits-orders", f"{text}\nretries: 0\n")


def test_the_files_say_what_the_matrix_says_and_mlflow_keeps_the_page(
    study: StudySpec, record: Callable[..., None], home: Home, store: Store
) -> None:
    record(study, {"forward 1": 0.25, "forward 2": 0.5, "reverse 1": 0.125})
    runs, files = made_report(study.name, home)
    matrix = result_matrix(study.name, home.tracking_uri)
    data = json.loads(files["report.json"])
    rows = {row["row"]: row for row in data["rows"]}
    assert {row: rows[row]["mean"] for row in rows} == dict(matrix["mean"])
    assert rows["forward"]["values"] == {"seed 1": 0.25, "seed 2": 0.5}
    assert rows["reverse"]["values"]["seed 2"] is None
    assert data["cells"]["finished"] == 3
    assert "37.50 ± 17.68" in files["report.html"]
    assert files["matrix.csv"].splitlines()[0].startswith("order,mean")
    record_report(files, runs, home)
    run_id = study_runs(study.name, home.tracking_uri).run_id
    kept = store.client.download_artifacts(run_id, "report.html")
    assert Path(kept).read_text("utf-8") == files["report.html"]
