"""What the stages of a protocol found, on the runs of their studies."""

import csv
import io
import json
import math
from collections.abc import Callable

import pandas as pd
import pytest

from dashboards.stages import by_network
from orchestrator.home import Home
from orchestrator.protocol.publish import publish_protocol, publish_rates, publish_sensitivities
from orchestrator.protocol.stages import Sensitivities
from orchestrator.record.conflicts import study_record
from orchestrator.record.store import Store
from orchestrator.study.spec import StudySpec

pytestmark = pytest.mark.slow


@pytest.fixture
def store(home: Home) -> Store:
    return Store(home)


@pytest.fixture
def matrix(store: Store, study: StudySpec) -> pd.DataFrame:
    run_id = store.open_study(study_record(study)).run
    records = [[0.25, 0.05, 2, 0.2, 0.2, 0.3], [0.5, math.nan, 1, 0.5, 0.5, math.nan]]
    frame = pd.DataFrame(
        records,
        index=pd.Index(["forward", "lr=0.1 (µ)"], name="order"),
        columns=["mean", "std", "n", "best", "seed 1", "seed 2"],
    )
    frame.attrs = {
        "run_id": run_id, "better": "lower", "metric": "last/test_error", "title": "t", "also": {},
    }  # fmt: skip
    return frame


@pytest.fixture
def rates(store: Store, study: StudySpec) -> pd.DataFrame:
    """A table of a row without a result and two with one."""
    run_id = store.open_study(study_record(study)).run
    frame = pd.DataFrame(
        [[0.5, 0.25], [0.125, math.nan], [math.nan, math.nan]],
        index=pd.Index(["1", "2", "3"], name="layer"),
        columns=pd.Index(["0.1", "0.01"], name="lr"),
    )
    frame.attrs = {"run_id": run_id, "better": "lower", "metric": "m", "title": "t"}
    return frame


def _files(home: Home, stem: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in home.artifacts.rglob(f"{stem}*")}


def _tables(store: Store, run_id: str) -> list[str]:
    """The tables that MLflow's pages show of a run."""
    return [entry["path"] for entry in json.loads(store.tags_of(run_id)["mlflow.loggedArtifacts"])]


@pytest.mark.parametrize("published", [(2, 1), None])
def test_sensitivities_are_a_table_and_the_orders_that_follow(
    published: tuple[int, ...] | None, store: Store, home: Home, rates: pd.DataFrame
) -> None:
    found = Sensitivities(
        errors={1: 0.25, 2: 0.125},
        rates={1: "0.01", 2: "0.1"},
        ascend=(2, 1),
        published=published,
        table=rates,
    )
    publish_sensitivities(store, found)
    files = _files(home, "sensitivity")
    assert set(files) == {"sensitivity.csv", "sensitivity.json", "sensitivity-orders.json"}
    assert files["sensitivity.csv"].splitlines() == [
        *("layer,0.1,0.01", "1,0.5,0.25", "2,0.125,", "3,,"),
    ]
    assert json.loads(files["sensitivity.json"]) == {
        "columns": ["layer", "0.1", "0.01"],
        "data": [["1", 0.5, 0.25], ["2", 0.125, None], ["3", None, None]],
    }
    assert json.loads(files["sensitivity-orders.json"]) == json.loads(found.to_json())
    run_id = rates.attrs["run_id"]
    assert _tables(store, run_id) == ["sensitivity.json"]
    metrics = store.client.get_run(run_id).data.metrics
    assert metrics == ({"sensitivity/kendall_tau": pytest.approx(1)} if published else {})


def test_rates_are_a_table_with_the_best_of_each_row(
    store: Store, home: Home, rates: pd.DataFrame
) -> None:
    publish_rates(store, rates)
    files = _files(home, "rates")
    assert set(files) == {"rates.csv", "rates.json"}
    rows = list(csv.DictReader(io.StringIO(files["rates.csv"])))
    assert [(row["layer"], row["best_lr"]) for row in rows] == [
        *(("1", "0.01"), ("2", "0.1"), ("3", "")),
    ]
    assert json.loads(files["rates.json"])["columns"] == ["layer", "0.1", "0.01", "best_lr"]
    assert "best_lr" not in rates.columns


def test_a_table_published_again_takes_the_place_of_the_earlier_one(
    store: Store, home: Home, rates: pd.DataFrame
) -> None:
    publish_rates(store, rates)
    rates.loc["3"] = [0.75, 0.5]
    publish_rates(store, rates)
    assert json.loads(_files(home, "rates")["rates.json"])["data"][2] == ["3", 0.75, 0.5, "0.01"]
    assert _tables(store, rates.attrs["run_id"]) == ["rates.json"]


def test_the_matrix_of_a_protocol_lies_with_each_network(
    store: Store, home: Home, make_study: Callable[..., StudySpec], matrix: pd.DataFrame
) -> None:
    frames = {"a": matrix[["mean", "std", "n", "best"]], "b": matrix[["mean", "n"]]}
    frames["a"].attrs = matrix.attrs
    other = store.open_study(study_record(make_study(study="other"))).run
    frames["b"].attrs = {**matrix.attrs, "run_id": other}
    publish_protocol(store, frames, by_network(frames))
    paths = sorted(home.artifacts.rglob("protocol.json"))
    assert [path.relative_to(home.artifacts).parts[0] for path in paths] == ["other", "tiny"]
    texts = {path.read_text() for path in paths}
    assert len(texts) == 1
    assert json.loads(texts.pop())["data"][3] == ["b", "lr=0.1 (µ)", 0.5, None, 1, None]
    assert len(list(home.artifacts.rglob("protocol.csv"))) == 2
    for run_id in (matrix.attrs["run_id"], other):
        assert _tables(store, run_id) == ["protocol.json"]
