"""Addresses of views."""

import pytest

from dashboards.page.addresses import in_mlflow, of_study, pages
from orchestrator.mlflow_reader.cells import RecordedVariant

VARIANT = RecordedVariant(experiment_id="3", run_id="ab", title="tiny", tags={}, started_ms=0)


def test_labels_of_any_kind_stand_in_an_address() -> None:
    assert of_study("a b/c", "/cells", row="x · y&z", variant="") == (
        "/study/a%20b%2Fc/cells?row=x+%C2%B7+y%26z"
    )


@pytest.mark.parametrize(
    ("asked", "number"),
    [("", 1), ("2", 2), ("3", 3), ("4", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 30, 1)],
)
def test_a_page_that_is_not_there_is_the_nearest_one(asked: str, number: int) -> None:
    found = pages("/study/a", {"page": asked, "metric": "b"}, num=101, size=50)
    assert found.number == number
    assert found.last == 3


def test_neighbours_keep_what_else_was_asked() -> None:
    found = pages("/study/a", {"page": "2", "metric": "b"}, num=101, size=50)
    assert found.before == "/study/a?metric=b"
    assert found.after == "/study/a?page=3&metric=b"
    assert list(range(101))[found.part] == list(range(50, 100))
    one = pages("/", {}, num=0, size=50)
    assert (one.before, one.after, one.last) == ("", "", 1)


def test_only_a_server_has_pages_of_its_own() -> None:
    link = in_mlflow("http://host:5000/", VARIANT, "cd")
    assert link == ("http://host:5000/#/experiments/3/runs/cd?workflowType=machine_learning")
    assert in_mlflow("sqlite:////a/mlflow.db", VARIANT, "cd") == ""
