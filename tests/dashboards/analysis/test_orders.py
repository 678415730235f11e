"""Order against order."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from dashboards.analysis.orders import Orders, by_pair, by_position, orders_of, under_budget
from dashboards.analysis.trials import ViewError
from dashboards.chosen import chosen
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec

MakeRuns = Callable[..., StudyRuns]
ROWS = ("forward", "reverse", "132", "213", "231", "312")


@pytest.fixture
def errors() -> dict[str, float]:
    """Cells of six orders and three seeds; those in which fc1 comes first are better by 0.1."""
    noise = np.random.default_rng(1).normal(0, 0.001, (6, 3))
    return {
        f"{row} {seed}": (0.3 if row in ("forward", "132") else 0.4) + noise[place, seed - 1]
        for place, row in enumerate(ROWS)
        for seed in (1, 2, 3)
    }


@pytest.fixture
def found(errors: dict[str, float], three_layers: StudySpec, make_runs: MakeRuns) -> Orders:
    controls = {"float 1": 0.01, "binary 1": 0.9, "binary 2": 0.9}
    runs = make_runs({**controls, **errors}, three_layers)
    return orders_of(runs, chosen(runs))


def test_controls_are_no_orders(found: Orders) -> None:
    assert tuple(found.orders) == ROWS
    assert found.orders["213"] == ("fc2", "fc1", "fc3")
    assert found.layers == ("fc1", "fc2", "fc3")
    assert (found.num_possible, found.planned) == (6, 3)


def test_a_place_has_the_mean_of_the_orders_with_the_layer_there(found: Orders) -> None:
    table = by_position(found)
    assert table.loc["fc1"].tolist() == pytest.approx([0.3, 0.4, 0.4], abs=0.005)
    assert table.loc["fc3"].tolist() == pytest.approx([0.4, 0.35, 0.35], abs=0.005)
    assert list(table.columns) == [1, 2, 3]
    assert table.attrs["num_orders"] == 6


def test_a_place_that_no_order_has_is_empty(three_layers: StudySpec, make_runs: MakeRuns) -> None:
    runs = make_runs({"forward 1": 0.25, "reverse 1": 0.5}, three_layers)
    table = by_position(orders_of(runs, chosen(runs)))
    assert table.loc["fc1", 1] == 0.25
    assert math.isnan(table.loc["fc1", 2])
    assert table.loc["fc2", 2] == 0.375


def test_pairs_are_compared_within_seeds_at_one_level_for_all(
    found: Orders, errors: dict[str, float]
) -> None:
    pairs = by_pair(found)
    assert pairs[["before", "after"]].to_numpy().tolist() == [
        ["fc1", "fc2"], ["fc1", "fc3"], ["fc2", "fc3"],
    ]  # fmt: skip
    first = pairs.iloc[0]
    ahead, behind = ("forward", "132", "312"), ("reverse", "213", "231")
    seeds = [
        np.mean([errors[f"{row} {seed}"] for row in ahead])
        - np.mean([errors[f"{row} {seed}"] for row in behind])
        for seed in (1, 2, 3)
    ]
    interval = stats.ttest_1samp(seeds, 0).confidence_interval(1 - 0.05 / 3)
    assert (first["low"], first["high"]) == pytest.approx(tuple(interval))
    assert pairs["differs"].tolist() == [True, True, False]


def test_there_is_no_verdict_on_pairs_before_all_seeds_are_in(
    errors: dict[str, float], three_layers: StudySpec, make_runs: MakeRuns
) -> None:
    controls = {"float 1": 0.1, "binary 1": 0.1}
    most = {key: errors[key] for key in errors if key != "213 3"}
    runs = make_runs({**controls, **most}, three_layers)
    pairs = by_pair(orders_of(runs, chosen(runs)))
    assert set(pairs["refusal"]) == {"2 of 3 seeds"}
    assert set(pairs["differs"]) == {None}
    assert math.isnan(orders_of(runs, chosen(runs)).same())


def test_there_is_no_verdict_on_pairs_before_all_orders_are_in(
    errors: dict[str, float], three_layers: StudySpec, make_runs: MakeRuns
) -> None:
    some = {key: errors[key] for key in errors if not key.startswith("213")}
    runs = make_runs({**some, "float 1": 0.1, "binary 1": 0.1}, three_layers)
    found = orders_of(runs, chosen(runs))
    assert found.waiting == ("213",)
    assert set(by_pair(found)["refusal"]) == {"rows without a finished cell: 1"}
    assert math.isnan(found.same())


def test_layers_that_never_swap_have_no_difference(
    three_layers: StudySpec, make_runs: MakeRuns
) -> None:
    runs = make_runs({"forward 1": 0.25, "132 1": 0.5}, three_layers)
    pairs = by_pair(orders_of(runs, chosen(runs)))
    assert pairs["refusal"].tolist()[0] == "no order has fc2 before the other"
    assert pairs["mean"].tolist()[2] == -0.25


def test_a_budget_counts_epochs_with_all_layers_binary(
    three_layers: StudySpec, make_runs: MakeRuns
) -> None:
    runs = make_runs({"forward 1": 0.5, "forward 2": 0.5, "reverse 1": 0.5}, three_layers)
    curves = {
        "run of forward 1": [(0, 0.0), (3, 0.0), (4, 0.5), (5, 0.25)],
        "run of forward 2": [(4, 0.25), (5, 0.5)],
        "run of reverse 1": [(4, 0.4), (5, 0.1)],
    }
    table = under_budget(orders_of(runs, chosen(runs)), curves)
    # The third layer turns binary in epoch 5, counted from 1.
    assert list(table.columns) == [5, 6]
    assert table.loc["forward"].tolist() == [0.375, 0.25]
    assert table.loc["reverse"].tolist() == [0.4, 0.1]
    assert under_budget(orders_of(runs, chosen(runs)), {}).shape == (2, 0)


def test_one_order_is_none_to_compare(make_runs: MakeRuns, three_layers: StudySpec) -> None:
    runs = make_runs({"forward 1": 0.25, "float 1": 0.5, "binary 1": 0.5}, three_layers)
    with pytest.raises(ViewError, match="tiny lacks two rows or more that turn the same layers"):
        orders_of(runs, chosen(runs))
