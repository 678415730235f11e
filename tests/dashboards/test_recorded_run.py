"""One recorded cell with its curves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboards.recorded_run import is_curve, read_run
from dashboards.runs import NoResultsError
from orchestrator.home import Home
from orchestrator.record.store import Store
from orchestrator.study.spec import StudySpec


@pytest.mark.slow
def test_a_cell_has_its_curves_and_the_environment_of_its_study(
    study: StudySpec, record: Callable[..., dict[str, str]], store: Store, home: Home
) -> None:
    runs = record(study, {"forward 1": 0.25})
    parent = store.tags_of(runs["forward 1"])["mlflow.parentRunId"]
    found = read_run(runs["forward 1"], home.tracking_uri)
    assert found.title == f"tiny: order forward, seed 1 (run {runs['forward 1']})"
    assert list(found.curves) == ["test/error"]
    assert list(found.curves["test/error"]) == [(0, 1.25), (1, 0.25)]
    assert found.environment == {}
    store.log_text(parent, json.dumps({"python": "3.11"}), "environment.json")
    assert read_run(runs["forward 1"], home.tracking_uri).environment == {"python": "3.11"}
    for wrong in ("abc", parent):
        with pytest.raises(NoResultsError, match=f"run '{wrong}'; name a cell's run, or best:"):
            read_run(wrong, home.tracking_uri)


def test_curves_are_told_from_summaries() -> None:
    assert all(is_curve(name) for name in ("test/error", "lr", "signs_flipped/fc1", "binary/fc1"))
    assert not any(is_curve(name) for name in ("selected/test_error", "objective"))


def test_without_a_store_there_is_something_to_do_first(tmp_path: Path) -> None:
    with pytest.raises(NoResultsError, match=r"there are no results in .*; run a sweep first"):
        read_run("abc", f"sqlite:///{tmp_path}/mlflow.db")
