"""What the stages of a protocol found, from MLflow alone."""

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from dashboards.matrix import matrix_of
from dashboards.runs import NoResultsError, StudyRuns
from dashboards.stages import best_of, by_network, full_matrix, table_of, with_gaps
from orchestrator.home import Home
from orchestrator.study.given import Given
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

Record = Callable[..., dict[str, str]]
MakeStudy = Callable[..., StudySpec]

ORDER = {"name": "order", "sets": "layers.order", "permutations": "all", "controls": ["float"]}
RATES = {"name": "lr", "sets": "optimizer.lr", "values": [0.001, 0.1, 0.02]}


@pytest.fixture
def uri(home: Home) -> str:
    return home.tracking_uri


@pytest.fixture
def searched(make_study: MakeStudy) -> StudySpec:
    """A study of rates: orders by learning rate."""
    return make_study(axes=[ORDER, RATES], matrix={"rows": "order", "over": "lr"})


def _table(better: str, rows: dict[str, list[float]]) -> pd.DataFrame:
    columns = pd.Index(["0.1", "0.02", "0.001"], name="lr")
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    frame.index.name = "order"
    frame.attrs = {"better": better, "metric": "selected/test_error", "title": "tiny"}
    return frame


@pytest.mark.slow
def test_a_table_has_a_value_for_each_row_and_rate_from_large_to_small(
    searched: StudySpec, record: Record, uri: str
) -> None:
    record(searched, {"reverse 0.001": 0.5, "forward 0.1": 0.25, "forward 0.02": 0.125})
    record(searched, {"float 0.02": 0.0625})
    table = table_of(searched, uri, column="lr")
    assert list(table.columns) == ["0.1", "0.02", "0.001"]
    assert list(table.index) == ["float", "forward", "reverse"]
    assert (table.index.name, table.columns.name) == ("order", "lr")
    assert table.loc["forward"].tolist()[:2] == [0.25, 0.125]
    assert table.loc["float", "0.02"] == 0.0625
    assert table.isna().sum().sum() == 5


@pytest.mark.slow
def test_a_table_says_what_it_shows_and_where_it_is_recorded(
    searched: StudySpec, record: Record, uri: str
) -> None:
    runs = record(searched, {"float 0.1": 0.5})
    attrs = table_of(searched, uri, column="lr").attrs
    assert attrs.pop("run_id") not in runs.values()
    assert attrs == {"title": "tiny", "metric": "selected/test_error", "better": "lower"}


@pytest.mark.slow
def test_rates_are_ordered_as_numbers_and_names_come_last(
    make_study: MakeStudy, record: Record, uri: str
) -> None:
    rates: dict[str, Any] = {"1e-05": 1e-5, "0.0003": 0.0003, "10": 10.0, "9": 9.0}
    rates |= {"published": 0.5, "mine": 0.25}
    axis = {"name": "lr", "sets": "optimizer.lr", "values": rates}
    study = make_study(axes=[ORDER, axis], matrix={"rows": "order", "over": "lr"})
    record(study, {f"float {label}": 0.5 for label in rates})
    columns = list(table_of(study, uri, column="lr").columns)
    assert columns == ["10", "9", "0.0003", "1e-05", "mine", "published"]


@pytest.mark.slow
def test_values_are_means_over_all_other_axes(
    make_study: MakeStudy, record: Record, uri: str
) -> None:
    seeds = {"name": "seed", "seeds": [1, 2, 10]}
    study = make_study(axes=[ORDER, RATES, seeds], matrix={"rows": "order", "over": "seed"})
    record(study, {"float 0.1 1": 0.25, "float 0.1 2": 0.5, "float 0.02 10": 0.125})
    record(study, {"float 0.1 10": math.nan})
    table = table_of(study, uri, column="lr")
    assert table.loc["float"].to_dict() == {"0.1": 0.375, "0.02": 0.125}


@pytest.mark.slow
def test_only_finished_cells_have_a_value(searched: StudySpec, record: Record, uri: str) -> None:
    record(searched, {"float 0.1": 0.5, "float 0.02": math.nan})
    record(searched, {"forward 0.1": 0.25}, state=State.FAILED)
    table = table_of(searched, uri, column="lr")
    assert table.loc["float", "0.1"] == 0.5
    assert table.isna().sum().sum() == table.size - 1


@pytest.mark.slow
def test_a_study_without_the_axis_has_no_table(study: StudySpec, record: Record, uri: str) -> None:
    record(study, {"float 1": 0.5})
    with pytest.raises(NoResultsError, match="tiny has no axis 'lr'"):
        table_of(study, uri, column="lr")


@pytest.mark.slow
@pytest.mark.parametrize("read", [lambda *a: table_of(*a, column="lr"), full_matrix])
def test_another_variant_will_not_do(
    read: Callable[[StudySpec, str], pd.DataFrame], searched: StudySpec, record: Record, uri: str
) -> None:
    record(replace(searched, variant=Variant(epoch_scale="0.5")), {"float 0.1": 0.5})
    what = "requested variant of tiny is finished; the store has tiny · 0.5 of the epochs"
    with pytest.raises(NoResultsError, match=what):
        read(searched, uri)
    with pytest.raises(NoResultsError, match=r"is finished; recorded: tiny · 0.5 of"):
        read(replace(searched, variant=Variant(epoch_scale="0.25")), uri)
    given = replace(searched, variant=Variant(given=Given(orders={"ascend": (2, 1)})))
    with pytest.raises(NoResultsError, match=r"is finished; recorded: tiny · 0.5 of"):
        read(given, uri)


def test_the_best_of_a_row_is_its_lowest_error() -> None:
    table = _table("lower", {"float": [0.3, 0.1, 0.2], "forward": [0.1, 0.2, 0.3]})
    assert best_of(table) == {"float": ("0.02", 0.1), "forward": ("0.1", 0.1)}


def test_or_its_highest_where_higher_is_better() -> None:
    table = _table("higher", {"float": [0.3, 0.1, 0.2], "forward": [0.1, 0.2, 0.3]})
    assert best_of(table) == {"float": ("0.1", 0.3), "forward": ("0.001", 0.3)}


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_of_equal_values_the_first_is_best(better: str) -> None:
    table = _table(better, {"float": [math.nan, 0.25, 0.25]})
    assert best_of(table) == {"float": ("0.02", 0.25)}


def test_values_that_are_no_number_are_passed_over() -> None:
    nan = math.nan
    table = _table("lower", {"float": [nan, 0.5, nan], "forward": [nan, nan, nan]})
    assert best_of(table) == {"float": ("0.02", 0.5)}


@pytest.fixture
def with_controls(matrix: pd.DataFrame) -> pd.DataFrame:
    """A matrix with both controls: float 5 %, binary 8 %, forward 3.12 %, reverse unknown."""
    frame = pd.concat([matrix, matrix.loc[["float"]].rename(index={"float": "binary"})])
    frame.loc["binary", "mean"] = 0.08
    frame.attrs = dict(matrix.attrs)
    return frame


def test_gaps_are_means_less_those_of_the_controls(with_controls: pd.DataFrame) -> None:
    found = with_gaps(with_controls)
    assert list(found.columns) == ["mean", "std", "n", "best", "gap_to_float", "gap_to_binary"]
    assert found["gap_to_float"].to_dict() == pytest.approx(
        {"float": 0, "forward": -0.0187655, "reverse": math.nan, "binary": 0.03}, nan_ok=True
    )
    assert found["gap_to_binary"].to_dict() == pytest.approx(
        {"float": -0.03, "forward": -0.0487655, "reverse": math.nan, "binary": 0}, nan_ok=True
    )
    assert found.attrs == {**with_controls.attrs, "told_apart": []}
    assert "gap_to_float" not in with_controls.columns


def test_without_a_control_there_is_no_gap_to_it(matrix: pd.DataFrame) -> None:
    assert list(with_gaps(matrix).columns) == ["mean", "std", "n", "best", "gap_to_float"]
    alone = matrix.loc[["forward"]]
    assert list(with_gaps(alone).columns) == ["mean", "std", "n", "best"]


@pytest.mark.slow
def test_the_matrix_of_full_runs_is_that_of_what_was_given(
    study: StudySpec, make_study: MakeStudy, record: Record, uri: str
) -> None:
    given = {"rows": {"forward": {"optimizer.lr": 0.5}}}
    fed = make_study(given=given)
    record(study, {"float 1": 0.75, "forward 1": 0.75})
    record(fed, {"float 1": 0.25, "float 2": 0.5, "forward 2": 0.5})
    matrix = full_matrix(fed, uri)
    assert matrix["mean"].to_dict() == {"float": 0.375, "forward": 0.5}
    assert matrix["gap_to_float"].to_dict() == {"float": 0.0, "forward": 0.125}
    assert matrix["n"].tolist() == [2, 1]
    assert matrix.attrs["title"] == "tiny · as its protocol found"
    # The study as it stands, without anything given, keeps its own.
    assert full_matrix(study, uri)["mean"].to_dict() == {"float": 0.75, "forward": 0.75}


def test_networks_come_below_each_other(matrix: pd.DataFrame, with_controls: pd.DataFrame) -> None:
    frames = {"vgg5": with_gaps(with_controls), "mnist300": with_gaps(matrix)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = by_network(frames)
    assert list(table.columns) == [
        *("network", "row", "mean", "std", "n", "best", "gap_to_float", "gap_to_binary"),
    ]
    assert list(zip(table["network"], table["row"], strict=True)) == [
        *(("vgg5", row) for row in ("float", "forward", "reverse", "binary")),
        *(("mnist300", row) for row in ("float", "forward", "reverse")),
    ]
    assert table["mean"].tolist()[:2] == [0.05, 0.0312345]
    assert table.loc[table["network"] == "mnist300", "gap_to_binary"].isna().all()


def test_one_network_is_a_table_too(matrix: pd.DataFrame) -> None:
    table = by_network({"vgg5": with_gaps(matrix)})
    assert table["network"].tolist() == ["vgg5"] * 3
    assert table["n"].tolist() == [2, 1, 0]


def test_rows_that_differ_from_the_control_are_named(
    make_study: MakeStudy, make_runs: Callable[..., StudyRuns]
) -> None:
    study = make_study(matrix={"rows": "order", "over": "seed", "control": "float"})
    errors = {"float": (0.1, 0.11, 0.1), "forward": (0.5, 0.51, 0.52), "reverse": (0.1, 0.5, 0.0)}
    cells = {
        f"{row} {seed}": values[number]
        for row, values in errors.items()
        for number, seed in enumerate((1, 2, 10))
    }
    assert with_gaps(matrix_of(make_runs(cells, study))).attrs["told_apart"] == ["forward"]
