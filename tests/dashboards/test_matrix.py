"""The result matrix, from MLflow alone."""

import math
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from dashboards import NoResultsError, result_matrix
from dashboards.comparison import compare
from dashboards.matrix import matrix_of
from dashboards.runs import StudyRuns
from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.record.store import Store
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

stored = pytest.mark.slow

Record = Callable[..., dict[str, str]]
MakeRuns = Callable[..., StudyRuns]
MakeStudy = Callable[..., StudySpec]
ERRORS = {
    "reverse 1": 0.3, "reverse 2": 0.5, "forward 1": 0.1, "forward 2": 0.2, "forward 10": 0.6,
    "float 2": 0.25,
}  # fmt: skip


def test_a_row_has_mean_spread_count_best_and_each_cell(make_runs: MakeRuns) -> None:
    matrix = matrix_of(make_runs(ERRORS))
    assert list(matrix.columns) == ["mean", "std", "n", "best", "seed 1", "seed 2", "seed 10"]
    assert matrix.index.name == "order"
    row = matrix.loc["forward"]
    assert row["mean"] == pytest.approx(0.3)
    # The sample standard deviation: squares 0.04, 0.01, 0.09 over n - 1.
    assert row["std"] == pytest.approx(math.sqrt(0.14 / 2))
    assert (row["n"], row["best"]) == (3, 0.1)
    assert [row[f"seed {seed}"] for seed in (1, 2, 10)] == [0.1, 0.2, 0.6]
    single = matrix.loc["float"]
    assert (single["mean"], single["n"], single["seed 2"]) == (0.25, 1, 0.25)
    assert math.isnan(single["std"])
    assert math.isnan(single["seed 1"])


def test_rows_come_in_the_order_of_the_study(make_runs: MakeRuns) -> None:
    # Recorded in another order than the study's.
    runs = make_runs({"reverse 1": 0.1, "forward 1": 0.2, "float 1": 0.3})
    assert list(matrix_of(runs).index) == ["float", "forward", "reverse"]


def test_rows_without_a_finished_cell_are_named(make_runs: MakeRuns) -> None:
    runs = make_runs({"forward 1": 0.2})
    missing = matrix_of(runs).attrs["missing"]
    assert {"float", "reverse"} <= set(missing)
    assert "forward" not in missing
    # What `where` leaves out is not missing.
    assert matrix_of(runs, where={"order": "forward"}).attrs["missing"] == []


EFFECTS = {
    # The best mean, but of an easy seed: worse than the control there.
    "float 1": 0.15,
    "binary 1": 0.1, "binary 2": 0.5,
    "forward 1": 0.2, "forward 2": 0.6,
    "reverse 1": 0.1, "reverse 2": 0.4,
}  # fmt: skip


@pytest.fixture
def by_effect(make_study: MakeStudy) -> StudySpec:
    """A study whose rows are compared with `binary`, and sorted by the difference to it."""
    orders = {"name": "order", "sets": "layers.order", "permutations": "all"}
    axes = [orders | {"controls": ["float", "binary"]}, {"name": "seed", "seeds": [1, 2, 10]}]
    matrix = {"rows": "order", "over": "seed", "control": "binary", "sort": "effect"}
    return make_study(axes=axes, matrix=matrix | {"also": ["last/test_error"]})


def test_rows_can_be_sorted_by_their_difference_to_the_control(
    by_effect: StudySpec, make_runs: MakeRuns
) -> None:
    matrix = matrix_of(make_runs(EFFECTS, by_effect))
    assert list(matrix.index) == ["binary", "reverse", "float", "forward"]
    assert list(matrix.attrs["also"]["last/test_error"]) == list(matrix.index)
    found = compare(matrix)
    assert found is not None
    effects = {one.row: one.mean for one in found.differences}
    assert effects == pytest.approx({"reverse": -0.05, "float": 0.05, "forward": 0.1})
    assert list(effects) == ["reverse", "float", "forward"]


def test_of_effects_on_accuracy_the_highest_comes_first(
    by_effect: StudySpec, make_runs: MakeRuns
) -> None:
    runs = make_runs(EFFECTS, by_effect, **{vocabulary.METRIC_BETTER: "higher"})
    matrix = matrix_of(runs, metric="selected/test_accuracy")
    assert list(matrix.index) == ["binary", "reverse", "float", "forward"]


def test_a_row_without_an_effect_comes_last(by_effect: StudySpec, make_runs: MakeRuns) -> None:
    # Its only seed is not among those of the control.
    values = {"float 10": 0.1, "binary 1": 0.3, "reverse 1": 0.4, "forward 1": 0.4}
    runs = make_runs(values, by_effect)
    # Of equal effects the study's order remains.
    assert list(matrix_of(runs).index) == ["binary", "forward", "reverse", "float"]


def test_without_a_cell_of_the_control_rows_keep_the_order_of_the_study(
    by_effect: StudySpec, make_runs: MakeRuns
) -> None:
    runs = make_runs({"reverse 1": 0.1, "forward 1": 0.2, "float 1": 0.3}, by_effect)
    assert list(matrix_of(runs).index) == ["float", "forward", "reverse"]


def test_the_order_of_rows_changes_no_trial_and_no_variant(by_effect: StudySpec) -> None:
    listed = replace(by_effect, matrix=replace(by_effect.matrix, sort="study"))
    assert by_effect.variant_id == listed.variant_id
    assert [cell.id for cell in by_effect.trials] == [cell.id for cell in listed.trials]


def test_a_matrix_says_what_it_shows(make_runs: MakeRuns) -> None:
    attrs = matrix_of(make_runs(ERRORS)).attrs
    assert (attrs["study"], attrs["title"], attrs["is_asked"]) == ("tiny", "tiny", True)
    assert (attrs["metric"], attrs["better"]) == ("selected/test_error", "lower")
    assert attrs["cell_run_ids"] == [f"run of {name}" for name in ERRORS]
    assert (attrs["experiment_id"], attrs["run_id"]) == ("1", "run of the study")
    assert list(attrs["also"]) == ["last/test_error"]
    assert attrs["also"]["last/test_error"]["forward"] == pytest.approx(0.4)


def test_only_some_cells_can_be_shown(make_runs: MakeRuns) -> None:
    runs = make_runs(ERRORS)
    matrix = matrix_of(runs, where={"seed": "2"})
    assert list(matrix.columns[4:]) == ["seed 2"]
    assert dict(matrix["mean"]) == {"float": 0.25, "forward": 0.2, "reverse": 0.5}
    assert len(matrix.attrs["cell_run_ids"]) == 3
    both = matrix_of(runs, where={"seed": "2", "order": "reverse"})
    assert both.attrs["cell_run_ids"] == ["run of reverse 2"]
    for where, told in (
        ({"seed": "99"}, "no finished cell of tiny has the seed '99'; known: 1, 2, 10"),
        ({"sede": "2"}, "'sede', did you mean 'seed'"),
    ):
        with pytest.raises(NoResultsError, match=told):
            matrix_of(runs, where=where)


def test_another_metric_can_be_shown(make_runs: MakeRuns) -> None:
    matrix = matrix_of(make_runs(ERRORS), metric="last/test_error")
    assert matrix.loc["float", "mean"] == pytest.approx(0.35)
    assert matrix.attrs["metric"] == "last/test_error"
    assert matrix.attrs["also"] == {}


def test_of_accuracies_the_highest_is_best(make_runs: MakeRuns) -> None:
    matrix = matrix_of(make_runs(ERRORS), metric="selected/test_accuracy")
    assert matrix.attrs["better"] == "higher"
    assert matrix.loc["forward", "best"] == pytest.approx(0.9)


def test_an_unknown_metric_brings_the_known_ones(make_runs: MakeRuns) -> None:
    with pytest.raises(
        NoResultsError, match=r"'test/eror', did you mean 'last/test_error'.*; known: "
    ):
        matrix_of(make_runs({"float 1": 0.25}), metric="test/eror")


def test_a_value_that_is_no_number_is_missing(make_runs: MakeRuns) -> None:
    row = matrix_of(make_runs({"forward 1": 0.1, "forward 2": math.nan})).loc["forward"]
    assert (row["n"], row["mean"]) == (1, 0.1)
    assert math.isnan(row["seed 2"])


def test_counts_are_whole_numbers(make_runs: MakeRuns) -> None:
    matrix = matrix_of(make_runs(ERRORS))
    assert pd.api.types.is_integer_dtype(matrix["n"])
    assert int(matrix["n"].sum()) == len(ERRORS)


@pytest.fixture
def rates(make_study: MakeStudy) -> StudySpec:
    """A study of some rates, without repetition."""
    axes = [{"name": "lr", "sets": "optimizer.lr", "values": [0.5, 0.1, 0.01, 0.001]}]
    return make_study(axes=axes, matrix={"rows": "lr"})


def test_a_study_without_repetition_has_one_column_of_values(
    rates: StudySpec, make_runs: MakeRuns
) -> None:
    matrix = matrix_of(make_runs({"0.1": 0.3, "0.01": 0.2}, rates))
    assert list(matrix.columns) == ["mean", "std", "n", "best", "value"]
    assert list(matrix.index) == ["0.1", "0.01"]


def test_rows_that_a_search_drew_come_best_first(rates: StudySpec, make_runs: MakeRuns) -> None:
    values = {"0.5": 0.4, "0.1": 0.3, "0.01": math.nan, "0.001": 0.2}
    # A searched axis has no labels beforehand.
    drawn = {vocabulary.ROWS: "[]"}
    runs = make_runs(values, rates, **drawn)
    assert list(matrix_of(runs).index) == ["0.001", "0.1", "0.5", "0.01"]
    highest = matrix_of(runs, metric="selected/test_accuracy")
    assert list(highest.index) == ["0.001", "0.1", "0.5", "0.01"]
    runs = make_runs(values, rates, **drawn, **{vocabulary.METRIC_BETTER: "higher"})
    assert list(matrix_of(runs).index) == ["0.5", "0.1", "0.001", "0.01"]


def test_a_further_axis_makes_rows_of_its_own(make_study: MakeStudy, make_runs: MakeRuns) -> None:
    axes = [
        {"name": "order", "sets": "layers.order", "permutations": "all"},
        {"name": "lr", "sets": "optimizer.lr", "values": [0.1, 0.02]},
        {"name": "seed", "seeds": [1, 2]},
    ]
    values = {"forward 0.1 1": 0.3, "forward 0.02 1": 0.2, "forward 0.02 2": 0.4}
    matrix = matrix_of(make_runs(values, make_study(axes=axes)))
    assert list(matrix.columns[4:]) == ["seed 1", "seed 2"]
    assert list(matrix.index) == ["forward · lr 0.02", "forward · lr 0.1"]
    assert matrix.loc["forward · lr 0.02", "mean"] == pytest.approx(0.3)
    assert list(matrix["n"]) == [2, 1]


@pytest.fixture
def uri(home: Home) -> str:
    return home.tracking_uri


@stored
def test_the_matrix_of_a_stored_study_names_its_runs(
    study: StudySpec, record: Record, uri: str, make_runs: MakeRuns
) -> None:
    runs = record(study, ERRORS)
    matrix = result_matrix(study, uri)
    pd.testing.assert_frame_equal(matrix, matrix_of(make_runs(ERRORS)))
    assert set(matrix.attrs["cell_run_ids"]) == set(runs.values())
    assert matrix.attrs["run_id"] not in runs.values()


def test_a_matrix_knows_the_control_that_its_study_names(
    make_study: MakeStudy, make_runs: MakeRuns
) -> None:
    plain = matrix_of(make_runs(ERRORS))
    assert "control" not in plain.attrs
    assert compare(plain) is None
    shape = {"rows": "order", "over": "seed", "control": "float", "margin": 0.5}
    runs = make_runs(ERRORS, make_study(matrix=shape))
    matrix = matrix_of(runs)
    known = {key: matrix.attrs[key] for key in ("control", "controls", "margin", "planned")}
    assert known == {"control": "float", "controls": ["float"], "margin": 0.5, "planned": 3}
    found = compare(matrix)
    assert found is not None
    assert [one.row for one in found.differences] == [
        row for row in matrix.index if row != "float"
    ]
    # Somebody may change tags in MLflow's pages.
    for changed in ("much", "nan", "-1", ""):
        tags = {vocabulary.MARGIN: changed}
        assert matrix_of(replace(runs, tags=runs.tags | tags)).attrs["margin"] is None
    # A margin is of the study's own metric.
    assert matrix_of(runs, metric="last/test_error").attrs["margin"] is None


@stored
def test_a_control_that_is_no_longer_named_is_forgotten(
    study: StudySpec, make_study: MakeStudy, record: Record, uri: str
) -> None:
    record(make_study(matrix={"rows": "order", "over": "seed", "control": "float"}), ERRORS)
    assert result_matrix("tiny", uri).attrs["control"] == "float"
    record(study, {})
    assert "control" not in result_matrix("tiny", uri).attrs


@stored
def test_a_scaled_variant_is_shown_only_for_want_of_a_full_run(
    study: StudySpec, record: Record, uri: str
) -> None:
    scaled = replace(study, variant=Variant(epoch_scale="0.5"))
    record(scaled, {"forward 1": 0.9})
    matrix = result_matrix("tiny", uri)
    assert not matrix.attrs["is_asked"]
    assert matrix.attrs["title"] == "tiny · 0.5 of the epochs"
    assert matrix.loc["forward", "mean"] == 0.9
    record(study, {"forward 2": 0.1})
    matrix = result_matrix("tiny", uri)
    assert matrix.attrs["is_asked"]
    assert matrix.loc["forward", "mean"] == 0.1
    assert list(matrix.columns[4:]) == ["seed 2"]
    assert result_matrix(scaled, uri).loc["forward", "mean"] == 0.9


@stored
def test_overrides_make_another_variant(
    study: StudySpec, make_study: MakeStudy, record: Record, uri: str
) -> None:
    base = study.base_mapping | {"optimizer": {"name": "adam", "lr": 0.5}}  # type: ignore[operator]
    changed = replace(make_study(base=base), variant=Variant(overrides=("base.optimizer.lr=0.5",)))
    record(study, {"forward 1": 0.1})
    record(changed, {"forward 1": 0.7, "forward 2": 0.9})
    assert result_matrix("tiny", uri).loc["forward", "mean"] == 0.1
    matrix = result_matrix(changed, uri)
    assert matrix.loc["forward", "mean"] == pytest.approx(0.8)
    assert matrix.attrs["title"] == "tiny · base.optimizer.lr=0.5"


@stored
def test_a_study_that_grew_shows_old_and_new_cells(
    study: StudySpec, record: Record, uri: str
) -> None:
    record(study, {"forward 1": 0.1})
    record(study.with_seeds((1, 77)), {"forward 77": 0.3})
    row = result_matrix("tiny", uri).loc["forward"]
    assert (row["n"], row["seed 1"], row["seed 77"]) == (2, 0.1, 0.3)


@stored
def test_of_a_curve_the_last_point_counts(study: StudySpec, record: Record, uri: str) -> None:
    record(study, {"float 1": 0.25})
    assert result_matrix("tiny", uri, metric="test/error").loc["float", "mean"] == 0.25


@stored
@pytest.mark.parametrize("state", [State.FAILED, State.RUNNING])
def test_cells_that_are_not_finished_do_not_count(
    state: State, study: StudySpec, record: Record, uri: str
) -> None:
    record(study, {"forward 1": 0.1})
    record(study, {"forward 2": 0.9, "reverse 1": 0.9}, state=state)
    matrix = result_matrix("tiny", uri)
    assert list(matrix.index) == ["forward"]
    assert matrix.loc["forward", "n"] == 1


@stored
def test_deleted_runs_do_not_count(
    study: StudySpec, record: Record, uri: str, store: Store
) -> None:
    runs = record(study, {"forward 1": 0.1, "forward 2": 0.9})
    store.client.delete_run(runs["forward 2"])
    assert result_matrix("tiny", uri).loc["forward", "mean"] == 0.1


def test_rows_whose_labels_read_alike_are_two(make_study: MakeStudy, make_runs: MakeRuns) -> None:
    axes = [
        {"name": "a", "sets": "optimizer.lr", "values": {"x": 0.1, "x · b y": 0.2}},
        {"name": "b", "sets": "epochs", "values": {"y · b z": 2, "z": 3}},
    ]
    study = make_study(axes=axes, matrix={"rows": "a"})
    errors = {"x y · b z": 0.1, "x · b y z": 0.2, "x z": 0.3}
    matrix = matrix_of(make_runs(errors, study=study))
    assert len(set(matrix.index)) == len(matrix) == 3
    assert sorted(matrix["mean"]) == [0.1, 0.2, 0.3]


def test_cells_are_found_by_labels_with_blanks(make_study: MakeStudy, make_runs: MakeRuns) -> None:
    axes = [{"name": "a", "sets": "optimizer.lr", "values": {" x": 0.1, "y": 0.2}}]
    runs = make_runs({" x": 0.1, "y": 0.2}, study=make_study(axes=axes, matrix={"rows": "a"}))
    for asked, row in ((" x", " x"), ("y", "y"), (" y ", "y")):
        assert list(matrix_of(runs, where={"a": asked}).index) == [row]
